import { withParams } from "../request";

/** What is searched for. It stands in the address of the page, so that a search can be kept and sent. */
export interface Question {
    q: string;
    author: string;
    tag: string;
    century: string;
    type: string;
    sort: Sort;
}

export type Filter = "author" | "tag" | "century" | "type";
export type Sort = "relevance" | "newest" | "oldest" | "title";

export const sorts: Record<Sort, { name: string; sortBy: string; sortOrder: string }> = {
    relevance: { name: "best first", sortBy: "relevance", sortOrder: "desc" },
    newest: { name: "newest first", sortBy: "publishedAt", sortOrder: "desc" },
    oldest: { name: "oldest first", sortBy: "publishedAt", sortOrder: "asc" },
    title: { name: "by title", sortBy: "title", sortOrder: "asc" },
};

const filters: Filter[] = ["author", "tag", "century", "type"];

export const noFilters = { author: "", tag: "", century: "", type: "" };

export function pathOf({ q, sort, ...filtered }: Question, cursor: string | null): string {
    const { sortBy, sortOrder } = sorts[sort];
    const filters = { author: filtered.author, tag: filtered.tag, century: filtered.century, type: filtered.type };
    return withParams("/api/search", { q, ...filters, sortBy, sortOrder, limit: 10, cursor });
}

export function questionInAddress(): Question {
    const params = new URLSearchParams(location.search);
    const [author = "", tag = "", century = "", type = ""] = filters.map((name) => params.get(name) ?? "");
    const sort = params.get("sort") ?? "";
    return { q: params.get("q") ?? "", author, tag, century, type, sort: isSort(sort) ? sort : "relevance" };
}

export function keepInAddress(question: Question): void {
    const sort = question.sort === "relevance" ? "" : question.sort;
    history.replaceState(null, "", withParams(location.pathname, { ...question, sort }) + location.hash);
}

export function isSort(text: string): text is Sort {
    return Object.hasOwn(sorts, text);
}
