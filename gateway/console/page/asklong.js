/* What takes the gateway minutes is asked again until it is there. */
const ASK_AGAIN_MS = 1500;

/** Asks `question` until its answer `isDone`; what comes before is `told`. Null
 * once it is not `wanted` any more. Throws what the question throws. */
export async function askUntil(question, isDone, wanted, told) {
    for (;;) {
        const got = await question();
        if (!wanted()) return null;
        if (isDone(got)) return got;
        told(got);
        await new Promise((go) => setTimeout(go, ASK_AGAIN_MS));
        if (!wanted()) return null;
    }
}
