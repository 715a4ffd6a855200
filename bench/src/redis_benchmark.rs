//! How fast this machine's Redis is with the commands of a flow, as `redis-benchmark` sees it.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::process::Command;

use crate::Result;
use crate::replay::Replay;
use crate::store::redis;
use crate::tool::output;
use crate::wire::Call;

/// What redis-benchmark replaces by as many random digits.
const RANDOM: &[u8] = b"__rand_int__";

/// How often it runs each.
const TIMES: &str = "20000";

/// Flows per second if Redis did nothing else: it runs one command at a time, so a flow's share of
/// it is what its commands take one after the other.
pub(crate) fn run(replay: &Replay) -> Result<f64> {
    let (mut seconds, mut known) = (0.0, HashSet::new());
    for call in &replay.asked.redis {
        let arguments = arguments(call, replay, &known);
        seconds += 1.0 / rate(arguments)?;
        known.extend(call.byte_strings());
    }
    Ok(1.0 / seconds)
}

/// Calls per second of one command, from one connection that is never waited for: as the product
/// sends what many callers want.
fn rate(arguments: Vec<OsString>) -> Result<f64> {
    let mut command = Command::new("redis-benchmark");
    command
        .args(["-u", redis().server.url(), "-c", "1", "-P", "32", "--csv"])
        .args(["-r", "1000000000", "-n", TIMES])
        .args(arguments);
    let told = output(&mut command)?;
    // Its command, the rate, and six latencies, each in quotes.
    let line = told.lines().last().unwrap_or_default();
    let rate = line.rsplit(',').nth(6).map(|rate| rate.trim_matches('"'));
    let rate = rate.and_then(|rate| rate.parse().ok());
    Ok(rate.ok_or_else(|| format!("redis-benchmark tells no rate: {told}"))?)
}

/// The command's words. A name that the flow made for this command is another one in every run;
/// one that is from before is there, and stays as it is.
fn arguments(call: &Call, replay: &Replay, known: &HashSet<Vec<u8>>) -> Vec<OsString> {
    let words = call.byte_strings().into_iter().map(|mut word| {
        if replay.is_own(&word) && !known.contains(&word) {
            let kept = word.len() - RANDOM.len();
            word.splice(kept.., RANDOM.iter().copied());
        }
        // No argument of a process can hold a zero; what bytes a value has is nothing to Redis.
        word.iter_mut()
            .filter(|byte| **byte == 0)
            .for_each(|byte| *byte = 1);
        OsString::from_vec(word)
    });
    [OsString::from(&call.text)]
        .into_iter()
        .chain(words)
        .collect()
}
