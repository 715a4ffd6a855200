//! How fast this machine's PostgreSQL is with the statements of a flow, as `pgbench` sees it.

use std::collections::HashMap;
use std::fs;
use std::process::Command;

use data_encoding::HEXLOWER;
use servers::psql;

use crate::installation::data_dir;
use crate::load::p99;
use crate::replay::Replay;
use crate::store::POOL;
use crate::tool::output;
use crate::value::{Value, type_name};
use crate::{Result, WINDOW};

/// Random digits at the end of an id: enough that none comes twice, and few enough that its time
/// stays in front.
const DIGITS: u32 = 12;

/// What pgbench came to.
pub(crate) struct Outcome {
    pub(crate) flows_per_second: f64,
    pub(crate) p99_ms: f64,
}

/// Runs a flow's statements over and over, on as many connections as the product has.
pub(crate) fn run(replay: &Replay) -> Result<Outcome> {
    let folder = data_dir()?;
    fs::write(folder.path().join("flow.sql"), script(replay)?)?;
    let database = replay.installation.database.as_deref();
    let database = database.ok_or("an installation without PostgreSQL")?;
    let before = sessions(database)?;
    let mut command = Command::new("pgbench");
    command
        .current_dir(folder.path())
        // As the product sends them: no statement is prepared beforehand.
        .args([
            "--no-vacuum",
            "--protocol=extended",
            "--log",
            "--log-prefix=log",
        ])
        .args(["--file=flow.sql", "--jobs=1"])
        .arg(format!("--client={POOL}"))
        .arg(format!("--time={}", WINDOW.as_secs()))
        .arg(database);
    let told = output(&mut command)?;
    let rate = told.lines().find_map(|line| line.strip_prefix("tps = "));
    let rate = rate.and_then(|rate| rate.split(' ').next()?.parse().ok());
    let mut latencies = Vec::new();
    for entry in fs::read_dir(folder.path())? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b"log") {
            let log = fs::read_to_string(entry.path())?;
            // Client, transaction, µs, and more.
            let micros = |line: &str| line.split(' ').nth(2)?.parse::<f64>().ok();
            latencies.extend(log.lines().filter_map(micros).map(|micros| micros / 1e3));
        }
    }
    let opened = sessions(database)? - before;
    if opened < latencies.len() {
        // Statements that find nothing are quick for the wrong reason.
        let flows = latencies.len();
        return Err(format!("pgbench's {flows} flows opened {opened} sessions").into());
    }
    Ok(Outcome {
        flows_per_second: rate.ok_or_else(|| format!("pgbench tells no rate: {told}"))?,
        p99_ms: p99(latencies),
    })
}

fn sessions(database: &str) -> Result<usize> {
    Ok(psql(database, "SELECT count(*) FROM phone_auth.sessions").parse()?)
}

/// The flow as pgbench's script: its own values are other ones in every run.
fn script(replay: &Replay) -> Result<String> {
    let (mut script, mut variables) = (String::new(), Variables::default());
    for call in &replay.asked.postgres {
        let mut values = Vec::new();
        for argument in &call.arguments {
            let value = variables.expression(&Value::of(argument)?, replay);
            values.push(format!("({value})::{}", type_name(argument.kind)?));
        }
        script += &format!("{};\n", filled(&call.text, &values));
    }
    let (least, most) = (10_u64.pow(DIGITS - 1), 10_u64.pow(DIGITS) - 1);
    let random = |n| format!("\\set v{n} random({least}, {most})\n");
    Ok((0..variables.0.len()).map(random).collect::<String>() + &script)
}

/// The values that pgbench is to choose, by those that the flow had.
#[derive(Default)]
struct Variables(HashMap<Vec<u8>, usize>);

impl Variables {
    fn expression(&mut self, value: &Value, replay: &Replay) -> String {
        match value {
            Value::Null => "NULL".to_owned(),
            Value::Bool(truth) => truth.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Value::Address(address) => format!("'{address}'"),
            Value::Bytes(bytes) if replay.is_own(bytes) => {
                let next = self.0.len();
                let number = *self.0.entry(bytes.clone()).or_insert(next);
                // pgbench's variables are numbers; their digits are as good as other bytes.
                let kept = bytes.len() - DIGITS as usize;
                format!(
                    "'\\x{}'::bytea || :v{number}",
                    HEXLOWER.encode(&bytes[..kept])
                )
            }
            Value::Bytes(bytes) => format!("'\\x{}'", HEXLOWER.encode(bytes)),
            Value::List(values) => {
                let values: Vec<_> = values.iter().map(|v| self.expression(v, replay)).collect();
                format!("ARRAY[{}]", values.join(", "))
            }
        }
    }
}

/// The statement with values in the place of its `$1`, `$2`, ...
fn filled(statement: &str, values: &[String]) -> String {
    let mut parts = statement.split('$');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        let value = part[..end].parse::<usize>().ok();
        match value.and_then(|number| values.get(number.wrapping_sub(1))) {
            Some(value) => filled += &format!("{value}{}", &part[end..]),
            None => filled += &format!("${part}"),
        }
    }
    // A line of pgbench's script is a statement up to its semicolon.
    filled.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn each_parameter_gets_its_value() {
        let values: Vec<String> = (1..=12).map(|n| format!("<{n}>")).collect();
        let statement = "SELECT $1, f($12, $2::text), '$' || $99";
        let expected = "SELECT <1>, f(<12>, <2>::text), '$' || $99";
        assert_eq!(filled(statement, &values), expected);
    }
}
