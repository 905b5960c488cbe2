interface PauseButtonProps {
    title: string;
    isPaused: boolean;
    toggle: () => void;
}

/** What moves by itself can be stopped. */
export function PauseButton({ title, isPaused, toggle }: PauseButtonProps) {
    return (
        <button type="button" class="plain" aria-label={`${isPaused ? "Go on" : "Pause"}: ${title}`} onClick={toggle}>
            {isPaused ? "Go on" : "Pause"}
        </button>
    );
}
