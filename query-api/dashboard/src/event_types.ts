/** The types of activity and of domain events, in the words of the page. Another type is shown by its own name. */
const NAMES: Record<string, string> = {
    view: "Viewed",
    read: "Read to the end",
    share: "Shared",
    click: "Link clicked",
    search: "Searched",
    download: "Downloaded",
    "groot.post.PostCreated": "Post created",
    "groot.post.PostEdited": "Post edited",
    "groot.post.PostPublished": "Post published",
    "groot.post.PostUnpublished": "Post unpublished",
    "groot.post.PostScheduled": "Post scheduled",
    "groot.post.PostDeleted": "Post deleted",
    "groot.post.PostRestored": "Post restored",
    "groot.like.PostLiked": "Post liked",
    "groot.like.PostUnliked": "Like taken back",
    "groot.comment.CommentAdded": "Comment added",
    "groot.comment.CommentEdited": "Comment edited",
    "groot.comment.CommentDeleted": "Comment deleted",
    "groot.person.PersonCreated": "Person added",
};

export const eventTypes = Object.entries(NAMES).map(([type, name]) => ({ type, name }));

/** "groot.slug.SlugReserved" has no name of its own here and becomes "Slug reserved". */
export function eventName(type: string): string {
    const last = type.slice(type.lastIndexOf(".") + 1);
    const words = last.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
    return NAMES[type] ?? words.charAt(0).toUpperCase() + words.slice(1);
}
