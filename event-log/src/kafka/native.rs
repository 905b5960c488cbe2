//! What librdkafka has and its Rust binding does not give.
#![allow(
    unsafe_code,
    reason = "calls of librdkafka that its Rust binding does not give; each names why its pointers are good"
)]

use std::ffi::{CStr, CString};
use std::ptr;

use rdkafka::bindings as c;
use rdkafka::client::{Client, ClientContext};
use rdkafka::message::BorrowedMessage;

use crate::record::{Headers, HeadersReader};

/// The generation of the group that the client is a member of; none before it has joined.
pub(super) fn generation<C: ClientContext>(client: &Client<C>) -> Option<i32> {
    // SAFETY: the client outlives the calls; the metadata is checked for null, read before it is destroyed, and destroyed once.
    let generation = unsafe {
        let metadata = c::rd_kafka_consumer_group_metadata(client.native_ptr());
        if metadata.is_null() {
            return None;
        }
        let generation = c::rd_kafka_consumer_group_metadata_generation_id(metadata);
        c::rd_kafka_consumer_group_metadata_destroy(metadata);
        generation
    };
    (generation >= 0).then_some(generation)
}

/// Tells the client of brokers, as its settings did at first.
pub(super) fn add_brokers<C: ClientContext>(client: &Client<C>, brokers: &CStr) {
    // SAFETY: the client and the text outlive the call, which copies the text. Its answer, how many were understood, is known.
    unsafe { c::rd_kafka_brokers_add(client.native_ptr(), brokers.as_ptr()) };
}

/// The end of a partition as the last fetch answer told it, without asking the broker.
pub(super) fn known_end<C: ClientContext>(client: &Client<C>, topic: &str, partition: i32) -> Option<u64> {
    let topic = CString::new(topic).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: the client and the topic's name outlive the call, which writes to two integers on this stack.
    let code = unsafe {
        c::rd_kafka_get_watermark_offsets(client.native_ptr(), topic.as_ptr(), partition, &mut low, &mut high)
    };
    if code != c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return None;
    }
    u64::try_from(high).ok()
}

/// The headers of a message. The binding's own way panics at a name that is not UTF-8, which any writer to the topic
/// could cause.
pub(super) fn headers(message: &BorrowedMessage<'_>, reader: &mut HeadersReader) -> Headers {
    let mut native = ptr::null_mut();
    // SAFETY: the message is borrowed, so it and the headers that it owns live until this function has returned.
    let code = unsafe { c::rd_kafka_message_headers(message.ptr(), &mut native) };
    if code != c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR || native.is_null() {
        return Headers::default();
    }
    for index in 0.. {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the headers were just found to be there; the call writes to three variables on this stack.
        let code = unsafe { c::rd_kafka_header_get_all(native, index, &mut name, &mut value, &mut size) };
        if code != c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR || name.is_null() {
            break;
        }
        // SAFETY: librdkafka ends names with a null byte, and owns them as long as the message.
        let name = unsafe { CStr::from_ptr(name) };
        let value = if value.is_null() {
            &[]
        } else {
            // SAFETY: the value is there and has `size` bytes, owned by the message; they are copied.
            unsafe { std::slice::from_raw_parts(value.cast::<u8>(), size) }
        };
        reader.push(name.to_bytes(), value);
    }
    reader.finish()
}
