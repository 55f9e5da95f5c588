//! Streams of numbers: the second world of the host's tests.

mod bindings {
    #![allow(missing_docs, clippy::pedantic, reason = "generated")]
    wit_bindgen::generate!({ path: "wit", world: "numbers" });
    export!(Component with_types_in self);
    pub struct Component;
}

use bindings::{Component, Guest, wit_stream};
use wit_bindgen::{StreamReader, spawn_local};

impl Guest for Component {
    fn double(n: u64) -> u64 {
        n * 2
    }

    async fn count(first: u64, last: u64) -> StreamReader<u64> {
        let (mut numbers, reader) = wit_stream::new();
        spawn_local(async move {
            for number in first..=last {
                if numbers.write_one(number).await.is_some() {
                    return;
                }
            }
        });
        reader
    }

    async fn break_after(last: u64) -> StreamReader<u64> {
        let (mut numbers, reader) = wit_stream::new();
        spawn_local(async move {
            for number in 1..=last {
                numbers.write_one(number).await;
            }
            panic!("it broke after {last}");
        });
        reader
    }

    async fn echo(mut bytes: StreamReader<u8>) -> StreamReader<u8> {
        let (mut echoed, reader) = wit_stream::new();
        spawn_local(async move {
            let mut buffer = Vec::with_capacity(4096);
            loop {
                let (status, read) = bytes.read(buffer).await;
                let empty = read.is_empty();
                buffer = echoed.write_all(read).await;
                if !buffer.is_empty()
                    || (empty && !matches!(status, wit_bindgen::StreamResult::Complete(_)))
                {
                    return;
                }
            }
        });
        reader
    }

    async fn sums(mut numbers: StreamReader<u64>) -> StreamReader<u64> {
        let (mut sums, reader) = wit_stream::new();
        spawn_local(async move {
            let mut sum = 0;
            while let Some(number) = numbers.next().await {
                sum += number;
                if sums.write_one(sum).await.is_some() {
                    return;
                }
            }
        });
        reader
    }

    async fn ignore(numbers: StreamReader<u64>) -> StreamReader<u64> {
        let (writer, reader) = wit_stream::new();
        std::mem::forget((numbers, writer));
        reader
    }
}
