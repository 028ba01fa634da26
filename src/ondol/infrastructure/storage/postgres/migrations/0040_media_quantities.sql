-- What is counted beside tokens: pictures that were made, sound that was written down, characters that were spoken.

alter table ondol.requests
    add column images integer not null default 0,
    add column audio_ms bigint not null default 0,
    add column characters bigint not null default 0;

alter table ondol.request_hours
    add column images bigint not null default 0,
    add column audio_ms bigint not null default 0,
    add column characters bigint not null default 0;
