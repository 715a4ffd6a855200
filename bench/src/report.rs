//! Figures of several rounds, and the table that shows them.

use std::fmt;
use std::io::Write;

use crate::Result;

/// One figure, measured once in every round.
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Round by round, how many times `yardstick` the `measured` is. Rounds of one pair ran next
    /// to each other, so what else the machine did then is in both.
    pub(crate) fn ratios(measured: &[f64], yardstick: &[f64]) -> Self {
        measured.iter().zip(yardstick).map(|(m, y)| m / y).collect()
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = ((sorted.len() - 1) / 2, sorted.len() / 2);
        f64::midpoint(sorted[low], sorted[high])
    }

    fn lowest(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn highest(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(figures: I) -> Self {
        Self(figures.into_iter().collect())
    }
}

/// What a median should be.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// Shown for what it tells about another row.
    None,
}

impl Target {
    /// The target for so many times as much.
    pub(crate) fn times(self, factor: f64) -> Self {
        match self {
            Self::AtMost(most) => Self::AtMost(most * factor),
            Self::AtLeast(least) => Self::AtLeast(least * factor),
            Self::None => Self::None,
        }
    }
}

const HEAD: &str = "\
| figure                                                  |   median |             range | unit         | target |        |
|---------------------------------------------------------|---------:|------------------:|--------------|-------:|--------|";

/// The table, written line by line as the figures come.
pub(crate) struct Report<'a>(&'a mut dyn Write);

/// One line of the table.
struct Row {
    what: String,
    unit: &'static str,
    samples: Samples,
    target: Target,
}

impl<'a> Report<'a> {
    /// Starts a table, in Markdown.
    pub(crate) fn new(out: &'a mut dyn Write) -> Result<Self> {
        writeln!(out, "{HEAD}")?;
        Ok(Self(out))
    }

    /// Adds a line.
    pub(crate) fn row(
        &mut self,
        what: impl Into<String>,
        unit: &'static str,
        samples: Samples,
        target: Target,
    ) -> Result<()> {
        writeln!(
            self.0,
            "{}",
            Row {
                what: what.into(),
                unit,
                samples,
                target
            }
        )?;
        Ok(self.0.flush()?)
    }
}

impl Row {
    /// Whether the median is on the right side of the target, if there is one.
    fn is_met(&self) -> Option<bool> {
        match self.target {
            Target::AtMost(most) => Some(self.samples.median() <= most),
            Target::AtLeast(least) => Some(self.samples.median() >= least),
            Target::None => None,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            unit,
            samples,
            ..
        } = self;
        let (median, range) = (
            figure(samples.median()),
            format!(
                "{} – {}",
                figure(samples.lowest()),
                figure(samples.highest())
            ),
        );
        let target = match self.target {
            Target::AtMost(most) => format!("≤ {most}"),
            Target::AtLeast(least) => format!("≥ {least}"),
            Target::None => String::new(),
        };
        let mark = match self.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        write!(
            f,
            "| {what:<55} | {median:>8} | {range:>17} | {unit:<12} | {target:>6} | {mark:<6} |"
        )
    }
}

/// Three digits that matter; of a count, all.
fn figure(value: f64) -> String {
    match value.abs() {
        count if count.fract() == 0.0 => format!("{value:.0}"),
        ..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(figures: &[f64], target: Target) -> Row {
        Row {
            what: String::new(),
            unit: "×",
            samples: figures.iter().copied().collect(),
            target,
        }
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(Samples::from_iter([3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(Samples::from_iter([4.0, 1.0, 2.0, 3.0]).median(), 2.5);
    }

    #[test]
    fn a_ratio_is_formed_within_its_round() {
        let ratios = Samples::ratios(&[2.0, 30.0], &[1.0, 10.0]);
        assert_eq!((ratios.lowest(), ratios.highest()), (2.0, 3.0));
    }

    #[test]
    fn a_target_is_judged_by_the_median_and_not_by_an_outlier() {
        assert_eq!(
            row(&[1.0, 1.1, 9.0], Target::AtMost(1.5)).is_met(),
            Some(true)
        );
        assert_eq!(
            row(&[1.0, 1.6, 1.7], Target::AtMost(1.5)).is_met(),
            Some(false)
        );
        assert_eq!(
            row(&[0.4, 0.4, 0.6], Target::AtLeast(0.5)).is_met(),
            Some(false)
        );
        assert!(
            row(&[2.0], Target::AtMost(1.5))
                .to_string()
                .contains("MISSED")
        );
    }
}
