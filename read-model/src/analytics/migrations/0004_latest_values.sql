-- The same views as before, several times as fast: the latest of pairs of a version and a value is asked for as such. The highest pair,
-- which it is as well, is found by comparing values of any kind, which takes the server long.
CREATE OR REPLACE VIEW posts AS
SELECT
    id,
    argMax(title.2, title.1) AS title,
    argMax(post_type.2, post_type.1) AS post_type,
    argMax(slug.2, slug.1) AS slug,
    argMax(status.2, status.1) AS status,
    argMax(author_id.2, author_id.1) AS author_id,
    if(max(published_at.1) = 0, NULL, argMax(published_at.2, published_at.1)) AS published_at,
    argMax(created_at.2, created_at.1) AS created_at
FROM posts_v1
GROUP BY id;

CREATE OR REPLACE VIEW responses AS
SELECT post_id, kind, id, argMax(stands.2, stands.1) AS stands, min(first_at) AS first_at
FROM responses_v1
GROUP BY post_id, kind, id;
