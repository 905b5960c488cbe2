/** What query-api answers. The page reads these fields and no others. */

export interface Overview {
    posts: number;
    authors: number;
    views: number;
    likes: number;
    comments: number;
    events: number;
    eventsPerSecond: number;
}

export type Interval = "hour" | "day" | "week" | "month";

export interface TimeSeries {
    data: { begin: string; events: number; users: number }[];
    interval: Interval;
    tz: string;
}

export interface List<T> {
    data: T[];
}

export interface TopPost {
    id: string;
    title: string;
    slug: string | null;
    author: { id: string; name: string | null } | null;
    views: number;
    likes: number;
    comments: number;
}

export interface TopAuthor {
    id: string;
    name: string | null;
    posts: number;
    views: number;
    likes: number;
}

export interface Country {
    country: string | null;
    events: number;
    users: number;
}

export interface Suggestion {
    id: string;
    title: string;
    slug: string | null;
}

export interface Hit {
    id: string;
    type: string;
    title: string;
    slug: string | null;
    tags: string[];
    author: { id: string; name: string | null } | null;
    publishedAt: string | null;
    highlights: { title: string[]; excerpt: string[]; text: string[] };
}

export interface Facets {
    authors: { id: string; name: string | null; count: number }[];
    tags: { value: string; count: number }[];
    centuries: { century: number; count: number }[];
    types: { value: string; count: number }[];
}

export interface SearchAnswer {
    data: Hit[];
    total: number;
    nextCursor: string | null;
    /** Counted for the first page only. */
    facets: Facets | null;
}

export interface Projection {
    projection: string;
    lagRecords: number | null;
    lagSeconds: number | null;
    partitions: {
        partition: number;
        state: string;
        reason: string | null;
        nextOffset: number | null;
        lagRecords: number | null;
        lagSeconds: number | null;
    }[];
    parked: {
        key: string;
        partition: number;
        offset: number;
        letters: number;
        standing: string | null;
        reason: string | null;
    }[];
}

export interface Projections {
    data: Projection[];
    unreachable?: string[];
}

export interface Metrics {
    activeConnections: number;
    requestsPerSecond: number;
    errorRate: number;
    responseTime: number;
    memoryUsage: number;
    cpuUsage: number;
    timestamp: string;
}

export interface MetricsMessage {
    type: string;
    timestamp: string;
    data: Metrics;
}

export interface DomainEvent {
    type: string;
    aggregateId: string;
    time: string;
    title: string | null;
}
