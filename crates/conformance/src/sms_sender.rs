//! The laws of [`SmsSender`].
//!
//! They hold for a sender that works and for one that fails: run them against both.

use std::error::Error;
use std::iter::repeat_with;
use std::time::{Duration, Instant};

use domain::ports::{Receipt, SmsError, SmsSender};
use futures_util::future::join_all;

use crate::{Broken, sample};

/// Checks every law, one after another.
///
/// # Errors
/// [`Broken`] names the first law that does not hold.
pub async fn all(sender: &dyn SmsSender) -> Result<(), Broken> {
    crate::sms_sender_laws!([crate::law::check_laws] sms_sender, sender, ())
}

/// Makes a test of every law of `SmsSender`, in a module `sms_sender_laws`.
///
/// It takes the name of an async function that makes a sender: `async fn open() ->
/// Arc<dyn SmsSender>`. The tests run on tokio.
#[macro_export]
macro_rules! sms_sender_laws {
    ([$($with:tt)*] $($args:tt)*) => {
        $($with)*! { $($args)*,
            laws: [
                an_answer_comes_in_time,
                an_answer_tells_no_secret,
                a_message_may_be_handed_over_again,
                messages_sent_at_once_are_each_answered,
            ],
            races: []
        }
    };
    ($open:expr) => {
        $crate::sms_sender_laws!([$crate::test_laws] sms_sender, sms_sender_laws, $open);
    };
}

/// `send` ends within 30 s, whatever the gateway does.
pub async fn an_answer_comes_in_time(sender: &dyn SmsSender) {
    let start = Instant::now();
    drop(sender.send(&sample::sms_message()).await);
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "it took {:?}",
        start.elapsed()
    );
}

/// Receipts and errors name neither the digits nor the whole number, not even to a debugger.
pub async fn an_answer_tells_no_secret(sender: &dyn SmsSender) {
    let message = sample::sms_message();
    let told = told(&sender.send(&message).await);
    let secrets = [
        message.code.expose(),
        &message.to.as_e164()[1..],
        message.text.as_str(),
    ];
    for secret in secrets {
        assert!(
            !told.contains(secret),
            "the answer tells what nobody may read: {told}"
        );
    }
}

fn told(answer: &Result<Receipt, SmsError>) -> String {
    let mut told = format!("{answer:?}");
    let mut cause: Option<&dyn Error> = answer.as_ref().err().map(|error| error as _);
    while let Some(error) = cause {
        told.push_str(&format!(" {error}"));
        cause = error.source();
    }
    told
}

/// The same message again, as after an unknown outcome, is answered too.
pub async fn a_message_may_be_handed_over_again(sender: &dyn SmsSender) {
    let message = sample::sms_message();
    for _ in 0..2 {
        assert_well_formed(&sender.send(&message).await);
    }
}

/// Who took a message says who he is.
fn assert_well_formed(answer: &Result<Receipt, SmsError>) {
    if let Ok(receipt) = answer {
        assert!(!receipt.gateway.is_empty(), "the receipt names no gateway");
        assert_ne!(
            receipt.message_id.as_deref(),
            Some(""),
            "an id is there or is not"
        );
    }
}

/// Messages handed over at once are each answered.
pub async fn messages_sent_at_once_are_each_answered(sender: &dyn SmsSender) {
    let send = || async move { sender.send(&sample::sms_message()).await };
    for answer in join_all(repeat_with(send).take(20)).await {
        assert_well_formed(&answer);
    }
}
