-- Vectors of segments, made after them: the table that holds them and how many passages have theirs. And how a base is searched.

alter table ondol.index_segments
    add column vectors_id uuid,
    add column vector_count integer not null default 0 check (vector_count between 0 and passage_count),
    add constraint index_segments_vectors_check check ((vectors_id is null) = (vector_count = 0));

alter table ondol.bases add column retrieval jsonb not null default '{}';
