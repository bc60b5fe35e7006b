/** A file of the package that a build has inside: text, or bytes as characters U+0000 to U+00FF. */
declare module 'inside:*' {
    const text: string;
    export default text;
}
