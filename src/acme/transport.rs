//! HTTP for instant-acme, with time-outs and with errors that say what happened.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use crate::acme::error::IssueError;

/// An HTTP client.
pub(super) struct Transport(reqwest::Client);

impl Transport {
    /// Trusts the system's roots, and those in `ca_file`.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, IssueError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("certwave/", env!("CARGO_PKG_VERSION")))
            // RFC 8555, section 6.1; redirects included.
            .https_only(true)
            .redirect(reqwest::redirect::Policy::limited(5))
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(30));
        let wrong =
            |error: reqwest::Error| IssueError::Protocol { act: "set up HTTP", reason: error.to_string() };
        if let Some(path) = ca_file {
            let file = |source| IssueError::File { path: path.to_owned(), source };
            let pem = crate::bounded::read(path).map_err(file)?;
            let roots = reqwest::Certificate::from_pem_bundle(&pem).map_err(wrong)?;
            if roots.is_empty() {
                return Err(file(std::io::Error::other("it holds no PEM certificate")));
            }
            builder = roots.into_iter().fold(builder, reqwest::ClientBuilder::add_root_certificate);
        }
        Ok(Self(builder.build().map_err(wrong)?))
    }
}

impl HttpClient for Transport {
    fn request(
        &self,
        request: http::Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let other = |error: reqwest::Error| Error::Other(Box::new(error));
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(|_| Error::Str("the body of a request"))?.to_bytes();
            let request = http::Request::from_parts(parts, body);
            let request = reqwest::Request::try_from(request).map_err(other)?;
            let response = client.execute(request).await.map_err(other)?;
            let (status, headers) = (response.status(), response.headers().clone());
            let mut body = whole(response).await?;
            if status.is_client_error() || status.is_server_error() {
                body = problem(status, &headers, body);
            }
            let mut answer = http::Response::new(Full::new(body));
            *answer.status_mut() = status;
            *answer.headers_mut() = headers;
            Ok(BytesResponse::from(answer))
        })
    }
}

/// So long may an answer be: directories, orders and chains have some KiB.
const MOST: usize = 1 << 20;

/// All of an answer.
async fn whole(mut response: reqwest::Response) -> Result<Bytes, Error> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| Error::Other(Box::new(error)))? {
        if body.len() + part.len() > MOST {
            let words = format!("its answer is longer than {} MiB", MOST >> 20);
            return Err(Error::Other(Box::new(std::io::Error::other(words))));
        }
        body.extend_from_slice(&part);
    }
    Ok(body.into())
}

/// An error's body as a problem document (RFC 9457), also when a proxy answered with something else, and with
/// what Retry-After says.
fn problem(status: http::StatusCode, headers: &http::HeaderMap, body: Bytes) -> Bytes {
    let retry = headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry = retry.map(|retry| {
        let seconds = if retry.chars().all(|c| c.is_ascii_digit()) { " s" } else { "" };
        format!(" (it says to try again after {retry}{seconds})")
    });
    let parsed = serde_json::from_slice::<serde_json::Value>(&body);
    let Ok(serde_json::Value::Object(mut fields)) = parsed else {
        let detail = format!("it answers {status}, and not as an ACME server{}", retry.unwrap_or_default());
        let document = serde_json::json!({"detail": detail, "status": status.as_u16()});
        return Bytes::from(document.to_string());
    };
    if let Some(retry) = retry {
        let detail = fields.get("detail").and_then(|detail| detail.as_str()).unwrap_or_default();
        let detail = format!("{detail}{retry}");
        fields.insert("detail".to_owned(), detail.into());
    }
    Bytes::from(serde_json::Value::Object(fields).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_page_becomes_a_problem() {
        let mut headers = http::HeaderMap::new();
        headers.insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("120"));
        let body = problem(
            http::StatusCode::SERVICE_UNAVAILABLE,
            &headers,
            Bytes::from_static(b"<html>busy</html>"),
        );
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains("it answers 503 Service Unavailable, and not as an ACME server"), "{text}");
        assert!(text.contains("try again after 120 s"), "{text}");
        let body = problem(
            http::StatusCode::TOO_MANY_REQUESTS,
            &headers,
            Bytes::from_static(br#"{"detail":"slow down"}"#),
        );
        assert!(
            String::from_utf8(body.to_vec())
                .unwrap()
                .contains("slow down (it says to try again after 120 s)")
        );
    }

    #[test]
    fn when_to_try_again_is_told_in_seconds_or_as_a_date() {
        let date = "Wed, 21 Oct 2026 07:28:00 GMT";
        for (retry, told) in [
            ("120", "slow down (it says to try again after 120 s)".to_owned()),
            (date, format!("slow down (it says to try again after {date})")),
        ] {
            let mut headers = http::HeaderMap::new();
            headers.insert(http::header::RETRY_AFTER, http::HeaderValue::from_static(retry));
            let body = Bytes::from_static(br#"{"type":"x:rateLimited","detail":"slow down"}"#);
            let body = problem(http::StatusCode::TOO_MANY_REQUESTS, &headers, body);
            let told = serde_json::json!({"type": "x:rateLimited", "detail": told});
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap(), told);
        }
    }
}
