/* Alarms about many at once: a network that fails silences a fleet, and a
 * hundred alarms of one cause are no use to anybody. What begins together is
 * one alarm, which is over when it is over for all of them. */
import { over, raise } from "./alarms.js";
import { plain, say } from "./say.js";

const SINGLE_MAX = 3;
const NAMED_MAX = 8;
const TOGETHER_MS = 1000;

/** Words: `${words}` for one {name}, `${words}_many` for {n} of them {names}. */
export function alarmGroup(kind, words) {
    const keys = new Map(); /* id -> the key of its alarm */
    let waiting = []; /* {id, name} */
    let count = 0;

    function raiseOne({ id, name }) {
        const key = `${kind} ${id}`;
        keys.set(id, key);
        raise(key, kind, () => say(words, { name: plain(name, 80) }));
    }

    function raiseMany(members) {
        const key = `${kind} together ${++count}`;
        const names = members.slice(0, NAMED_MAX).map(({ name }) => plain(name, 40)).join(", ") +
            (members.length > NAMED_MAX ? ", …" : "");
        for (const { id } of members) keys.set(id, key);
        raise(key, kind, () => say(`${words}_many`, { n: members.length, names }));
    }

    function tellWaiting() {
        const members = waiting;
        waiting = [];
        if (members.length > SINGLE_MAX) raiseMany(members);
        else members.forEach(raiseOne);
    }

    return {
        begin(id, name) {
            if (keys.has(id) || waiting.some((member) => member.id === id)) return;
            if (waiting.length === 0) setTimeout(tellWaiting, TOGETHER_MS);
            waiting.push({ id, name });
        },
        end(id) {
            const key = keys.get(id);
            waiting = waiting.filter((member) => member.id !== id);
            keys.delete(id);
            if (key !== undefined && ![...keys.values()].includes(key)) over(key);
        },
    };
}
