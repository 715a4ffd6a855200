use std::collections::{HashMap, VecDeque};
use std::fmt;

use domain::phone::PhoneNumber;
use domain::timestamp::Timestamp;
use parking_lot::Mutex;
use zeroize::Zeroizing;

/// How many messages [`Outbox::default`] keeps.
const CAPACITY: usize = 1_000;

/// The latest messages that stub gateways "sent", in memory. Looking up one recipient costs the
/// same however full it is.
pub struct Outbox {
    capacity: usize,
    kept: Mutex<Kept>,
}

/// A message as its recipient would see it. The text holds a code, so debug output hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct OutboxMessage {
    /// Where to.
    pub to: PhoneNumber,
    /// The rendered text.
    pub text: Zeroizing<String>,
    /// When the gateway took it.
    pub sent_at: Timestamp,
}

#[derive(Default)]
struct Kept {
    /// Oldest first.
    messages: VecDeque<OutboxMessage>,
    /// How many messages were dropped: the number of the first one kept.
    dropped: usize,
    /// The numbers of a recipient's messages, oldest first.
    by_recipient: HashMap<PhoneNumber, VecDeque<usize>>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Outbox {
    /// An outbox that keeps the newest `capacity` messages.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            capacity,
            kept: Mutex::default(),
        }
    }

    /// The messages to one number, or to all, newest first.
    pub fn newest_first(&self, to: Option<&PhoneNumber>) -> Vec<OutboxMessage> {
        let kept = self.kept.lock();
        let Some(to) = to else {
            return kept.messages.iter().rev().cloned().collect();
        };
        let numbers = kept.by_recipient.get(to).into_iter().flatten().rev();
        numbers
            .filter_map(|number| kept.messages.get(number - kept.dropped))
            .cloned()
            .collect()
    }

    pub(crate) fn put(&self, message: OutboxMessage) {
        let mut kept = self.kept.lock();
        kept.put(message);
        while kept.messages.len() > self.capacity {
            kept.drop_oldest();
        }
    }
}

impl Kept {
    fn put(&mut self, message: OutboxMessage) {
        let number = self.dropped + self.messages.len();
        self.by_recipient
            .entry(message.to.clone())
            .or_default()
            .push_back(number);
        self.messages.push_back(message);
    }

    fn drop_oldest(&mut self) {
        let Some(oldest) = self.messages.pop_front() else {
            return;
        };
        self.dropped += 1;
        if let Some(numbers) = self.by_recipient.get_mut(&oldest.to) {
            numbers.pop_front();
            if numbers.is_empty() {
                self.by_recipient.remove(&oldest.to);
            }
        }
    }
}

impl fmt::Debug for OutboxMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxMessage")
            .field("to", &self.to)
            .field("sent_at", &self.sent_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbox({} messages)", self.kept.lock().messages.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stub::tests::phone;

    fn put(outbox: &Outbox, to: &str, n: u64) {
        let text = Zeroizing::new(format!("secret {n}"));
        outbox.put(OutboxMessage {
            to: phone(to),
            text,
            sent_at: Timestamp::from_secs(n),
        });
    }

    fn moments(outbox: &Outbox, to: Option<&str>) -> Vec<u64> {
        let messages = outbox.newest_first(to.map(phone).as_ref());
        messages
            .iter()
            .map(|message| message.sent_at.as_secs())
            .collect()
    }

    const A: &str = "+8613800138000";
    const B: &str = "+8613800138001";

    #[test]
    fn messages_come_newest_first_for_one_recipient_or_for_all() {
        let outbox = Outbox::default();
        for (to, n) in [(A, 1), (B, 2), (A, 3)] {
            put(&outbox, to, n);
        }
        assert_eq!(moments(&outbox, None), [3, 2, 1]);
        assert_eq!(moments(&outbox, Some(A)), [3, 1]);
        assert_eq!(moments(&outbox, Some(B)), [2]);
        assert!(moments(&outbox, Some("+8613800138002")).is_empty());
    }

    #[test]
    fn the_oldest_messages_go_when_it_is_full_and_leave_nothing_behind() {
        let outbox = Outbox::with_capacity(3);
        for n in 0..100 {
            put(&outbox, if n % 2 == 0 { A } else { B }, n);
        }
        assert_eq!(moments(&outbox, None), [99, 98, 97]);
        assert_eq!(moments(&outbox, Some(A)), [98]);
        assert_eq!(moments(&outbox, Some(B)), [99, 97]);
        for n in 100..103 {
            put(&outbox, A, n);
        }
        assert!(moments(&outbox, Some(B)).is_empty());
        assert_eq!(outbox.kept.lock().by_recipient.len(), 1);
    }

    #[test]
    fn debug_output_shows_no_text() {
        let outbox = Outbox::default();
        put(&outbox, A, 1);
        let shown = format!("{outbox:?} {:?}", outbox.newest_first(None));
        assert!(!shown.contains("secret"), "{shown}");
        assert!(!shown.contains(A), "{shown}");
    }
}
