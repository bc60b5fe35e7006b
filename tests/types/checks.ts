/** What the type tests are made of: programs that compile are right. */

export type IsAny<T> = 0 extends 1 & T ? true : false;

type Keys<T> = T extends object ? keyof T : never;

/** Whether there is an `any` in a result, in its arrays or in its properties. */
export type HasAny<T> =
    IsAny<T> extends true
        ? true
        : T extends (...args: never[]) => infer R
          ? HasAny<R>
          : T extends ArrayBufferView | ArrayBuffer | AbortSignal | Error
            ? false
            : T extends readonly (infer E)[]
              ? IsAny<E> extends true
                  ? true
                  : E extends object
                    ? E extends readonly unknown[]
                        ? false
                        : AnyOf<E>
                    : false
              : T extends object
                ? AnyOf<T>
                : false;

type AnyOf<T> = true extends { [K in Keys<T>]-?: IsAny<T[K & keyof T]> }[Keys<T>] ? true : false;

/** Exactly the same type. */
export type Same<A, B> =
    (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** The value is of exactly this type: `is<number>()(n)`. */
export function is<Expected>(): <Given>(
    given: Given & (Same<Given, Expected> extends true ? unknown : never),
) => void {
    return () => {};
}

/** There is no `any` in what is given. */
export function hasNoAny<T>(given: T & (HasAny<T> extends true ? never : unknown)): void {
    void given;
}
