//! The allocator of every binary: jemalloc, for Rust and, as the names of C's own functions lead to it, for librdkafka too.
//! Why is in `docs/adr/005-jemalloc.md`.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
