use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::message::SmsMessage;
use domain::phone::Country;
use domain::ports::{Receipt, SmsError, SmsSender, with_causes};

/// The port's own bound, for all gateways of a route together.
const DEADLINE: Duration = Duration::from_secs(30);

/// Gateways with their names, in order of preference.
pub type Route = Vec<(String, Arc<dyn SmsSender>)>;

/// Hands a message to the first gateway of its route that takes it.
///
/// | a gateway answers | then |
/// |---|---|
/// | `BadNumber`, `SlowDown` | that is the answer: another gateway must not be asked |
/// | `Misconfigured`, `Unavailable` | the next one is asked |
/// | `Unknown` | the next one is asked: the digits are the same. If none takes the message, the answer is `Unknown`, whatever the others said, for it may have arrived |
pub struct Router {
    default: Route,
    by_country: BTreeMap<Country, Route>,
}

impl Router {
    /// A router that sends along `by_country` where the number's country has a route of its own,
    /// else along `default`.
    pub fn new(default: Route, by_country: BTreeMap<Country, Route>) -> Self {
        Self {
            default,
            by_country,
        }
    }

    fn route(&self, country: Country) -> &Route {
        self.by_country.get(&country).unwrap_or(&self.default)
    }

    async fn send_along_the_route(&self, message: &SmsMessage) -> Result<Receipt, SmsError> {
        let mut failures = Vec::new();
        for (name, gateway) in self.route(message.to.country()) {
            match gateway.send(message).await {
                Ok(receipt) => return Ok(receipt),
                Err(error) => {
                    let text = describe(name, &error);
                    tracing::warn!(error = text, "a gateway did not take a message");
                    let is_final = is_final(&error);
                    failures.push((text, error));
                    if is_final {
                        break;
                    }
                }
            }
        }
        Err(verdict(failures))
    }
}

fn is_final(error: &SmsError) -> bool {
    matches!(error, SmsError::BadNumber(_) | SmsError::SlowDown { .. })
}

/// What all failures of a route mean together: with an unknown outcome among them the message may
/// have arrived; with a passing trouble among them, trying later may help.
fn verdict(mut failures: Vec<(String, SmsError)>) -> SmsError {
    let has = |kind: fn(&SmsError) -> bool| failures.iter().any(|(_, error)| kind(error));
    let unknown = has(|error| matches!(error, SmsError::Unknown(_)));
    let unavailable = has(|error| matches!(error, SmsError::Unavailable(_)));
    if !unknown && let Some((_, last)) = failures.pop_if(|(_, error)| is_final(error)) {
        return last;
    }
    let texts: Vec<_> = failures.into_iter().map(|(text, _)| text).collect();
    let source = match texts.as_slice() {
        [] => "the route has no gateway: name one".into(),
        texts => texts.join("; ").into(),
    };
    match (unknown, unavailable) {
        (true, _) => SmsError::Unknown(source),
        (false, true) => SmsError::Unavailable(source),
        (false, false) => SmsError::Misconfigured(source),
    }
}

fn describe(gateway: &str, error: &SmsError) -> String {
    format!("{gateway}: {}", with_causes(error))
}

#[async_trait]
impl SmsSender for Router {
    async fn send(&self, message: &SmsMessage) -> Result<Receipt, SmsError> {
        match tokio::time::timeout(DEADLINE, self.send_along_the_route(message)).await {
            Ok(answer) => answer,
            Err(late) => Err(SmsError::Unknown(late.into())),
        }
    }

    /// Whether every route has a gateway that would take messages.
    async fn health(&self) -> Result<(), SmsError> {
        for route in self.by_country.values().chain([&self.default]) {
            let mut failures = Vec::new();
            for (name, gateway) in route {
                match gateway.health().await {
                    Ok(()) => break,
                    Err(error) => failures.push((describe(name, &error), error)),
                }
            }
            if failures.len() == route.len() {
                return Err(verdict(failures));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |route: &Route| {
            route
                .iter()
                .map(|(name, _)| name.clone())
                .collect::<Vec<_>>()
        };
        let routes = self
            .by_country
            .iter()
            .map(|(country, route)| (country, names(route)));
        f.debug_struct("Router")
            .field("default", &names(&self.default))
            .field("by_country", &routes.collect::<BTreeMap<_, _>>())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use domain::ports::MockSmsSender;

    use std::error::Error;

    use super::*;
    use crate::stub::tests::message;

    type Answer = fn(&'static str) -> Result<Receipt, SmsError>;

    const OK: Answer = |name| {
        Ok(Receipt {
            gateway: name.into(),
            message_id: None,
        })
    };
    const BAD_NUMBER: Answer = |name| Err(SmsError::BadNumber(name.into()));
    const MISCONFIGURED: Answer = |name| Err(SmsError::Misconfigured(name.into()));
    const UNAVAILABLE: Answer = |name| Err(SmsError::Unavailable(name.into()));
    const UNKNOWN: Answer = |name| Err(SmsError::Unknown(name.into()));
    const SLOW_DOWN: Answer = |name| {
        let retry_after = Some(Duration::from_secs(9));
        Err(SmsError::SlowDown {
            retry_after,
            source: name.into(),
        })
    };

    /// A gateway that is asked `times` times; a mock's drop checks it.
    fn gateway(name: &'static str, times: usize, answer: Answer) -> (String, Arc<dyn SmsSender>) {
        let mut mock = MockSmsSender::new();
        mock.expect_send()
            .times(times)
            .returning(move |_| answer(name));
        mock.expect_health()
            .returning(move || answer(name).map(drop));
        (name.to_owned(), Arc::new(mock))
    }

    async fn send(route: Route) -> Result<Receipt, SmsError> {
        Router::new(route, BTreeMap::new())
            .send(&message("+8613800138000"))
            .await
    }

    #[tokio::test]
    async fn the_first_gateway_that_takes_the_message_is_the_last_one_asked() {
        let route = vec![
            gateway("a", 1, UNAVAILABLE),
            gateway("b", 1, MISCONFIGURED),
            gateway("c", 1, UNKNOWN),
            gateway("d", 1, OK),
            gateway("e", 0, OK),
        ];
        assert_eq!(send(route).await.unwrap().gateway, "d");
    }

    #[tokio::test]
    async fn after_a_refusal_that_protects_the_number_no_other_gateway_is_asked() {
        let refused = |answer| {
            vec![
                gateway("a", 1, UNAVAILABLE),
                gateway("b", 1, answer),
                gateway("c", 0, OK),
            ]
        };
        assert!(matches!(
            send(refused(BAD_NUMBER)).await,
            Err(SmsError::BadNumber(_))
        ));
        let slow = send(refused(SLOW_DOWN)).await;
        let wait = Some(Duration::from_secs(9));
        assert!(matches!(slow, Err(SmsError::SlowDown { retry_after, .. }) if retry_after == wait));
    }

    #[tokio::test]
    async fn once_unknown_a_failed_send_stays_unknown() {
        for other in [UNAVAILABLE, MISCONFIGURED, BAD_NUMBER, SLOW_DOWN, UNKNOWN] {
            let route = vec![gateway("a", 1, UNKNOWN), gateway("b", 1, other)];
            assert!(matches!(send(route).await, Err(SmsError::Unknown(_))));
        }
        let route = vec![gateway("a", 1, MISCONFIGURED), gateway("b", 1, UNKNOWN)];
        assert!(matches!(send(route).await, Err(SmsError::Unknown(_))));
    }

    #[tokio::test]
    async fn a_failure_is_passing_if_one_gateway_s_is_and_names_every_gateway() {
        for (one, other) in [(UNAVAILABLE, MISCONFIGURED), (MISCONFIGURED, UNAVAILABLE)] {
            let error = send(vec![gateway("a", 1, one), gateway("b", 1, other)])
                .await
                .unwrap_err();
            assert!(matches!(error, SmsError::Unavailable(_)));
            let causes = error.source().unwrap().to_string();
            assert!(causes.contains("a: the gateway") && causes.contains("; b: the gateway"));
        }
        let route = vec![
            gateway("a", 1, MISCONFIGURED),
            gateway("b", 1, MISCONFIGURED),
        ];
        assert!(matches!(send(route).await, Err(SmsError::Misconfigured(_))));
        assert!(matches!(
            send(vec![]).await,
            Err(SmsError::Misconfigured(_))
        ));
    }

    #[tokio::test]
    async fn a_country_with_a_route_of_its_own_uses_no_other() {
        let cn = Country::parse("CN").unwrap();
        let route = |cn_times, times| {
            let own = BTreeMap::from([(cn, vec![gateway("cn", cn_times, UNAVAILABLE)])]);
            Router::new(vec![gateway("all", times, OK)], own)
        };
        assert!(route(1, 0).send(&message("+8613800138000")).await.is_err());
        assert_eq!(
            route(0, 1)
                .send(&message("+12025550123"))
                .await
                .unwrap()
                .gateway,
            "all"
        );
    }

    struct Silent;

    #[async_trait]
    impl SmsSender for Silent {
        async fn send(&self, _: &SmsMessage) -> Result<Receipt, SmsError> {
            std::future::pending().await
        }

        async fn health(&self) -> Result<(), SmsError> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_that_never_answers_leaves_the_outcome_unknown_after_the_deadline() {
        let before = tokio::time::Instant::now();
        let answer = send(vec![
            ("silent".into(), Arc::new(Silent)),
            gateway("b", 0, OK),
        ])
        .await;
        assert!(matches!(answer, Err(SmsError::Unknown(_))));
        assert_eq!(before.elapsed(), DEADLINE);
    }

    #[tokio::test]
    async fn it_is_healthy_while_every_route_has_a_healthy_gateway() {
        let cn = Country::parse("CN").unwrap();
        let router = |cn_health, health| {
            let own = vec![gateway("a", 0, UNAVAILABLE), gateway("b", 0, cn_health)];
            Router::new(vec![gateway("c", 0, health)], BTreeMap::from([(cn, own)]))
        };
        router(OK, OK).health().await.unwrap();
        assert!(matches!(
            router(MISCONFIGURED, OK).health().await,
            Err(SmsError::Unavailable(_))
        ));
        let broken = router(OK, MISCONFIGURED).health().await;
        assert!(matches!(broken, Err(SmsError::Misconfigured(_))));
    }
}
