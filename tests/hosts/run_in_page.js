/**
 * What checks of checks.js give, or how the first failed.
 * @param {any} library
 * @param {any} checks
 * @param {{names: string[], options: object}} wanted
 */
export async function runChecks(library, checks, { names, options }) {
    /** @type {{[check: string]: unknown}} */
    const results = {};
    try {
        for (const name of names) results[name] = await checks[name](library, { ...options });
        return { results };
    } catch (error) {
        const { name, message, code, stack } = error;
        return { results, error: { name, message, code, stack } };
    }
}
