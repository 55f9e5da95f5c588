//! A client on hyper: one connection, one request at a time.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::http::request;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;

/// A connection, which closes on drop.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        Self::over(TcpSocket::new_v4()?, address, &Builder::new()).await
    }

    /// A client with small buffers in the kernel and in hyper.
    pub(crate) async fn slow(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(8 << 10)?;
        let mut http = Builder::new();
        http.max_buf_size(8 << 10);
        Self::over(socket, address, &http).await
    }

    async fn over(socket: TcpSocket, address: SocketAddr, http: &Builder) -> anyhow::Result<Self> {
        let stream = socket.connect(address).await.context("no connection")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http.handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: address.to_string(),
        })
    }

    /// Returns the head of a response, which must be a success.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Response<Incoming>> {
        self.send(Request::get(path), Bytes::new()).await
    }

    /// Sends a body and returns the whole body of the response, which arrives meanwhile.
    pub(crate) async fn post(&mut self, path: &str, body: Bytes) -> anyhow::Result<Bytes> {
        let answer = self.send(Request::post(path), body).await?;
        Ok(answer.into_body().collect().await?.to_bytes())
    }

    async fn send(
        &mut self,
        request: request::Builder,
        body: Bytes,
    ) -> anyhow::Result<Response<Incoming>> {
        let ready = self.sender.ready().await;
        ready.context("the connection is gone")?;
        let request = request.header("host", &self.host).body(Full::new(body))?;
        let path = request.uri().clone();
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        ensure!(
            status == StatusCode::OK,
            "{path} was answered with {status}"
        );
        Ok(answer)
    }

    /// Returns the whole body of a short response.
    pub(crate) async fn body(&mut self, path: &str) -> anyhow::Result<Bytes> {
        let answer = self.get(path).await?;
        Ok(answer.into_body().collect().await?.to_bytes())
    }

    /// Returns the length of a response, and discards its bytes.
    pub(crate) async fn length(&mut self, path: &str) -> anyhow::Result<u64> {
        let mut body = self.get(path).await?.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame?.data_ref().map_or(0, Bytes::len) as u64;
        }
        Ok(length)
    }
}
