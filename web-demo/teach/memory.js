/** Memory of the page with its workers, where the browser says: isolated pages in Chromium. */

export function watchMemory() {
    let is_on = false;
    let n_starts = 0;
    const watch = {
        /** The last that was heard; 0: nothing yet. */
        bytes: 0,
        async start() {
            const measure = Reflect.get(performance, 'measureUserAgentSpecificMemory');
            const own = ++n_starts;
            is_on = true;
            watch.bytes = 0;
            while (measure && is_on && own === n_starts) {
                // It is answered when the browser has time for it, which is seconds later.
                const { bytes } = await measure.call(performance).catch(() => ({ bytes: 0 }));
                if (!bytes) return;
                if (own === n_starts) watch.bytes = bytes;
            }
        },
        stop() {
            is_on = false;
        },
    };
    return watch;
}
