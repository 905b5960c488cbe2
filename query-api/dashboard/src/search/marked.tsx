/**
 * A highlight is HTML in which everything is escaped but <mark>. It is taken apart here and built of elements, so that whatever
 * comes is never read as HTML.
 */
export function Marked({ html }: { html: string }) {
    return (
        <>
            {parts(html).map(({ text, isMarked }, index) => (isMarked ? <mark key={index}>{text}</mark> : text))}
        </>
    );
}

export interface Part {
    text: string;
    isMarked: boolean;
}

export function parts(html: string): Part[] {
    let isMarked = false;
    const found: Part[] = [];
    for (const piece of html.split(/(<\/?mark>)/)) {
        if (piece === "<mark>") isMarked = true;
        else if (piece === "</mark>") isMarked = false;
        else if (piece) found.push({ text: decoded(piece), isMarked });
    }
    return found;
}

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };
const LAST_CODE_POINT = 0x10ffff;

/** Each entity once: "&amp;lt;" is the text "&lt;". */
function decoded(text: string): string {
    return text.replace(/&(?:#x([0-9a-f]{1,6})|#([0-9]{1,7})|([a-z]+));/gi, (whole, hex, digits, name) => {
        if (name) return ENTITIES[name] ?? whole;
        const code = hex ? Number.parseInt(hex, 16) : Number(digits);
        return code <= LAST_CODE_POINT ? String.fromCodePoint(code) : whole;
    });
}
