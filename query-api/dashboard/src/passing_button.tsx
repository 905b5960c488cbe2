import type { ButtonHTMLAttributes, RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

/** A button that goes away when it has done its work. */
export function PassingButton(props: ButtonHTMLAttributes) {
    const button = useFocusPassedOn<HTMLButtonElement>();
    return <button type="button" ref={button} {...props} />;
}

/** What goes away with the focus in it leaves it to the heading of its panel; else it would be at the top of the page again. */
export function useFocusPassedOn<T extends HTMLElement>(): RefObject<T | null> {
    const place = useRef<T>(null);
    useLayoutEffect(() => {
        const element = place.current;
        const heading = element?.closest(".panel")?.querySelector<HTMLElement>("h2");
        return () => {
            if (element?.contains(document.activeElement)) heading?.focus();
        };
    }, []);
    return place;
}
