//! One order, from the names to the certificate.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};

use crate::acme::account::{forget, take_up};
use crate::acme::error::IssueError;
use crate::acme::key;
use crate::acme::placed::PlacedOrder;
use crate::acme::request::Request;
use crate::model::{Secret, visible};
use crate::ports::{ChallengeResponder, KeepError};

/// For the CA to see a challenge, and to sign.
const PATIENCE: Duration = Duration::from_secs(120);
/// A CA may refuse a nonce at any time (RFC 8555, section 6.5); instant-acme tries three times itself.
const NONCE_TRIES: usize = 8;

/// What came of it. Not yet proven: that is [`crate::certificate::Bundle`]'s to do.
#[derive(Debug)]
pub struct Issued {
    /// The leaf and its chain, PEM.
    pub chain: Vec<u8>,
    /// The private key, PKCS#8 in PEM.
    pub key: Secret,
    /// To be settled once the certificate is kept: until then the same request brings the same certificate.
    pub order: PlacedOrder,
}

/// How far an order is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It is placed; the URL by which it can be taken up again.
    Ordered {
        /// Its URL.
        url: String,
    },
    /// One that an earlier try placed, and did not bring to its end, is taken up again.
    TakenUp {
        /// Its URL.
        url: String,
    },
    /// One that an earlier try placed can bring no certificate any more; another is placed.
    Abandoned {
        /// Its URL.
        url: String,
        /// What the server says of it.
        reason: String,
    },
    /// A challenge was answered.
    Answered {
        /// For which name.
        domain: String,
    },
    /// The CA signs.
    Finalizing,
}

/// Orders a certificate. Each step calls `progress` before the next one begins; an error of `progress` ends the order there.
///
/// # Errors
/// When there is no certificate at the end. Tokens are withdrawn in any case.
pub async fn issue<R: ChallengeResponder>(
    request: &Request<'_>,
    responder: &R,
    progress: &(dyn Fn(Progress) -> Result<(), KeepError> + Send + Sync),
) -> Result<Issued, IssueError> {
    let url = &request.issuer.directory;
    let identifiers: Vec<Identifier> =
        request.domains.iter().map(|domain| Identifier::Dns(domain.to_string())).collect();
    let mut account = take_up(request.accounts, request.issuer).await?;
    let found = match PlacedOrder::find(request)? {
        Some((placed, order_url, key)) => match again(&account, &order_url, url).await? {
            Ok(order) => {
                progress(Progress::TakenUp { url: order_url })?;
                Some((order, placed, key))
            }
            Err(reason) => {
                placed.settle(request.orders)?;
                progress(Progress::Abandoned { url: order_url, reason })?;
                None
            }
        },
        None => None,
    };
    let (mut order, placed, key) = match found {
        Some(found) => found,
        None => {
            let order = match new_order(&account, request, &identifiers).await {
                Err(error) if error.is_unknown_account() => {
                    forget(request.accounts, request.issuer)?;
                    account = take_up(request.accounts, request.issuer).await?;
                    new_order(&account, request, &identifiers).await?
                }
                order => order?,
            };
            let kind = request.key;
            let key = blocking(move || key::generate(kind)).await?;
            let placed = PlacedOrder::keep(request, order.url(), &key)?;
            progress(Progress::Ordered { url: order.url().to_owned() })?;
            (order, placed, key)
        }
    };

    if order.state().status == OrderStatus::Pending {
        let mut tokens = Vec::new();
        let answered = answer_challenges(&mut order, url, responder, progress, &mut tokens).await;
        let ready = match answered {
            Ok(()) => wait_until_ready(&mut order, url).await,
            Err(error) => Err(error),
        };
        for token in &tokens {
            responder.withdraw(token).await;
        }
        ready?;
    }
    if order.state().status == OrderStatus::Ready {
        progress(Progress::Finalizing)?;
        request.lease.check()?;
        let names = request.domains.to_vec();
        let signer = key.clone();
        let csr = blocking(move || key::request(&signer, &names)).await?;
        for attempt in 1.. {
            match order.finalize_csr(&csr).await {
                Ok(()) => break,
                Err(error) if attempt < NONCE_TRIES && is_bad_nonce(&error) => {}
                Err(error) => return Err(IssueError::of("finalize the order", url, error)),
            }
        }
    }
    let chain = certificate(&mut order, url).await?;
    let key = Secret::new(key.private_key_to_pem_pkcs8()?);
    Ok(Issued { chain: chain.into_bytes(), key, order: placed })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, openssl::error::ErrorStack> + Send + 'static,
) -> Result<T, IssueError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|error| IssueError::Protocol { act: "make a key", reason: error.to_string() })??)
}

/// An order by its URL; or why it can bring no certificate any more: it failed, or the server does not know it.
async fn again(account: &Account, order_url: &str, url: &str) -> Result<Result<Order, String>, IssueError> {
    const ACT: &str = "show the order again";
    for attempt in 1.. {
        match account.order(order_url.to_owned()).await {
            Ok(mut order) => {
                if order.state().status != OrderStatus::Invalid {
                    return Ok(Ok(order));
                }
                return Ok(Err(format!("failed to {}", refusal(&mut order, order_url).await)));
            }
            Err(error) if attempt < NONCE_TRIES && is_bad_nonce(&error) => {}
            Err(error) if is_gone(&error) => {
                return Ok(Err(format!("failed to {}", IssueError::of(ACT, url, error))));
            }
            Err(error) => return Err(IssueError::of(ACT, url, error)),
        }
    }
    Err(IssueError::TimedOut { act: ACT })
}

/// Not one of this account's, or forgotten; but not that it may come back later.
fn is_gone(error: &Error) -> bool {
    !is_bad_nonce(error)
        && matches!(error, Error::Api(problem) if matches!(problem.status, None | Some(400..=404 | 410)))
}

fn is_bad_nonce(error: &Error) -> bool {
    matches!(error, Error::Api(problem) if problem.r#type.as_deref().is_some_and(|kind| kind.ends_with(":badNonce")))
}

async fn new_order(
    account: &Account,
    request: &Request<'_>,
    identifiers: &[Identifier],
) -> Result<Order, IssueError> {
    request.lease.check()?;
    for attempt in 1.. {
        let mut new = NewOrder::new(identifiers);
        if let Some(profile) = &request.issuer.profile {
            new = new.profile(profile);
        }
        match account.new_order(&new).await {
            Ok(order) => return Ok(order),
            Err(error) if attempt < NONCE_TRIES && is_bad_nonce(&error) => {}
            Err(error) => return Err(IssueError::of("take the order", &request.issuer.directory, error)),
        }
    }
    Err(IssueError::TimedOut { act: "take the order" })
}

async fn answer_challenges<R: ChallengeResponder>(
    order: &mut Order,
    url: &str,
    responder: &R,
    progress: &(dyn Fn(Progress) -> Result<(), KeepError> + Send + Sync),
    tokens: &mut Vec<String>,
) -> Result<(), IssueError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization =
            authorization.map_err(|error| IssueError::of("show what it wants proven", url, error))?;
        let domain = authorization.identifier().to_string();
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let Some(mut challenge) = authorization.challenge(ChallengeType::Http01) else {
            let detail = "it does not offer HTTP-01 for this name".to_owned();
            return Err(IssueError::Challenge { domain, detail });
        };
        let token = challenge.token.clone();
        tokens.push(token.clone());
        let published = responder.publish(&token, challenge.key_authorization().as_str()).await;
        published.map_err(|reason| IssueError::Publish { domain: domain.clone(), reason })?;
        for attempt in 1.. {
            match challenge.set_ready().await {
                Ok(()) => break,
                Err(error) if attempt < NONCE_TRIES && is_bad_nonce(&error) => {}
                Err(error) => return Err(IssueError::of("look at the challenge", url, error)),
            }
        }
        progress(Progress::Answered { domain })?;
    }
    Ok(())
}

/// A CA that is quick is not waited for; one that takes a minute is asked a dozen times.
fn patient() -> RetryPolicy {
    RetryPolicy::new().initial_delay(Duration::from_millis(50)).backoff(1.8).timeout(PATIENCE)
}

async fn wait_until_ready(order: &mut Order, url: &str) -> Result<(), IssueError> {
    const ACT: &str = "see the challenges";
    let policy = patient();
    let mut tries = 0;
    loop {
        // On an order that is done already, waiting would never end.
        if matches!(order.state().status, OrderStatus::Ready | OrderStatus::Valid) {
            return Ok(());
        }
        match order.poll_ready(&policy).await {
            Ok(OrderStatus::Ready | OrderStatus::Valid) => return Ok(()),
            Err(error) if is_bad_nonce(&error) && tries < NONCE_TRIES => tries += 1,
            Ok(_) | Err(Error::Api(_)) => return Err(refusal(order, url).await),
            Err(error) => return Err(IssueError::of(ACT, url, error)),
        }
    }
}

/// Which name the CA could not be convinced of, and why.
async fn refusal(order: &mut Order, url: &str) -> IssueError {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        // What it says now; without an answer, what it said last is all there is.
        let _ = authorization.refresh().await;
        let domain = authorization.identifier().to_string();
        let error = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = error {
            let detail = visible(&problem.detail.clone().unwrap_or_else(|| problem.to_string()));
            return IssueError::Challenge { domain, detail };
        }
    }
    IssueError::Refused {
        act: "accept the challenges",
        detail: format!("the order at {url} is invalid"),
        kind: None,
    }
}

async fn certificate(order: &mut Order, url: &str) -> Result<String, IssueError> {
    const ACT: &str = "sign the certificate";
    let policy = patient();
    for attempt in 1.. {
        match order.poll_certificate(&policy).await {
            Ok(chain) => return Ok(chain),
            Err(error) if attempt < NONCE_TRIES && is_bad_nonce(&error) => {}
            Err(error) => return Err(IssueError::of(ACT, url, error)),
        }
    }
    Err(IssueError::TimedOut { act: ACT })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::testing::refusal;

    #[test]
    fn an_order_is_gone_where_the_server_does_not_know_it_and_not_where_it_may_come_back() {
        for (kind, status, gone) in [
            (Some("malformed"), Some(404), true),
            (Some("unauthorized"), Some(403), true),
            (None, Some(400), true),
            (None, Some(410), true),
            (Some("malformed"), None, true),
            (Some("badNonce"), Some(400), false),
            (Some("rateLimited"), Some(429), false),
            (Some("serverInternal"), Some(500), false),
            (None, Some(503), false),
        ] {
            assert_eq!(is_gone(&refusal(kind, status)), gone, "{kind:?} {status:?}");
        }
        assert!(!is_gone(&Error::Timeout(None)));
    }

    #[test]
    fn a_nonce_that_was_refused_is_known_by_its_type() {
        assert!(is_bad_nonce(&refusal(Some("badNonce"), Some(400))));
        assert!(!is_bad_nonce(&refusal(Some("malformed"), Some(400))));
        assert!(!is_bad_nonce(&refusal(None, Some(400))));
    }
}
