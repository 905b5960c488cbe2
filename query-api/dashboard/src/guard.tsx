import { Component, type ComponentChildren } from "preact";

interface GuardProps {
    /** What is drawn; with other data it is tried again. */
    data: unknown;
    otherwise: ComponentChildren;
    children: ComponentChildren;
}

/** Keeps an answer of a shape that nobody expected from taking the whole page with it. */
export class Guard extends Component<GuardProps, { brokenBy: unknown; isBroken: boolean }> {
    override state = { brokenBy: null as unknown, isBroken: false };

    override componentDidCatch(error: unknown) {
        console.error(error);
        this.setState({ brokenBy: this.props.data, isBroken: true });
    }

    override render({ data, otherwise, children }: GuardProps) {
        const { isBroken, brokenBy } = this.state;
        return isBroken && brokenBy === data ? otherwise : children;
    }
}
