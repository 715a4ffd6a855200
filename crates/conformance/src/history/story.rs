use std::fmt::{Debug, Write};

use domain::timestamp::Timestamp;

use super::order::{Step, What, outcomes};
use super::{Answered, Model, Scene, Swept};
use crate::sample::NOW;

/// One history on one store as far as it went: what happened, and what the model may be now.
pub struct Story<M: Model> {
    scene: Scene,
    models: Vec<M>,
    past: Vec<Chapter<M>>,
}

/// What tasks saw that ran at once, while the store was maybe swept.
struct Chapter<M: Model> {
    at: Timestamp,
    tasks: Vec<Vec<Answered<M>>>,
    sweep: Option<Swept>,
}

impl<M: Model> Story<M> {
    /// Nothing happened yet.
    pub fn new(scene: Scene) -> Self {
        let (models, past) = (vec![M::default()], Vec::new());
        Self {
            scene,
            models,
            past,
        }
    }

    /// The scene at that moment.
    pub fn scene(&mut self, now: Timestamp) -> Scene {
        self.scene.now = now;
        self.scene
    }

    /// Goes on with what tasks saw that ran at once, while the store was maybe swept.
    ///
    /// # Errors
    /// The whole story, if no order of the calls explains what the store answered.
    pub fn goes_on(
        &mut self,
        tasks: Vec<Vec<Answered<M>>>,
        sweep: Option<Swept>,
    ) -> Result<(), String> {
        let at = self.scene.now;
        let now = Chapter { at, tasks, sweep };
        let before = std::mem::take(&mut self.models);
        self.models = match &now.sweep {
            Some(Swept {
                removed: Err(_), ..
            }) => Vec::new(),
            Some(sweep) if now.tasks.is_empty() => sweep.alone(&before, at),
            _ => outcomes(&before, &now.steps(&before), &self.scene),
        };
        let wrong = self.models.is_empty();
        let end = wrong.then(|| now.right_answers(&before, &self.scene));
        self.past.push(now);
        end.map_or(Ok(()), |end| Err(self.with_end(&end)))
    }

    /// How many things a sweep would remove now.
    pub(super) fn over(&self) -> usize {
        let mut model = self.models[0].clone();
        let is_over = |number: &u8| model.sweep(*number, self.scene.now);
        (0..M::SWEPT).filter(is_over).count()
    }

    /// What happened, and how it ends.
    pub(super) fn with_end(&self, end: &str) -> String {
        let mut told = String::new();
        for chapter in &self.past {
            chapter.tell(&mut told);
        }
        told + end
    }
}

impl<M: Model> Chapter<M> {
    fn steps(&self, before: &[M]) -> Vec<Vec<Step<'_, M>>> {
        fn answered<M: Model>(answered: &Answered<M>) -> Step<'_, M> {
            let (what, from, to) = (What::Answered(answered), answered.from, answered.to);
            Step { what, from, to }
        }
        let tasks = self.tasks.iter();
        let tasks = tasks.map(|task| task.iter().map(answered).collect());
        tasks.chain(self.swept(before)).collect()
    }

    /// The sweep as a task for each thing that is over, because it comes to each at a moment of
    /// its own.
    fn swept(&self, before: &[M]) -> Vec<Vec<Step<'_, M>>> {
        let Some(sweep) = self.sweep.as_ref().filter(|sweep| sweep.removed_some()) else {
            return Vec::new();
        };
        let swept = |number| {
            let (what, from, to) = (What::Swept(number), sweep.from, sweep.to);
            vec![Step { what, from, to }]
        };
        let is_over = |number: &u8| before.iter().any(|m| m.clone().sweep(*number, self.at));
        (0..M::SWEPT).filter(is_over).map(swept).collect()
    }

    /// What should have been seen, if it is clear.
    fn right_answers(&self, before: &[M], scene: &Scene) -> String {
        if self.tasks.iter().flatten().any(|seen| seen.answer.is_err()) {
            return "The store did not answer every call.".to_owned();
        }
        let ([model], [task], None) = (before, self.tasks.as_slice(), &self.sweep) else {
            return "No order of these calls has these answers.".to_owned();
        };
        let mut model = model.clone();
        let right = task
            .iter()
            .map(|answered| model.answer(&answered.call, scene));
        let right = right.map(|answer| format!("\n  {answer:?}"));
        "The model says:".to_owned() + &right.collect::<String>()
    }

    fn tell(&self, told: &mut String) {
        let _ = writeln!(told, "{:?} later", self.at.since(NOW));
        if let Some(Swept { removed, from, to }) = &self.sweep {
            let _ = writeln!(told, "  {from}-{to} sweep: {}", told_of(removed));
        }
        for (number, task) in self.tasks.iter().enumerate() {
            for Answered {
                call,
                answer,
                from,
                to,
            } in task
            {
                let _ = writeln!(
                    told,
                    "  task {number} {from}-{to} {call:?}: {}",
                    told_of(answer)
                );
            }
        }
    }
}

fn told_of<T: Debug>(outcome: &Result<T, String>) -> String {
    outcome
        .as_ref()
        .map_or_else(String::clone, |answer| format!("{answer:?}"))
}
