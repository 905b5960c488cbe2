/** A post is served as JSON, by its slug when it has one. */
export function addressOf({ id, slug }: { id: string; slug: string | null }): string {
    return `/api/universal/post/${encodeURIComponent(slug ?? id)}`;
}
