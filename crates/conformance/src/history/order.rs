use super::{Answered, Model, Scene};

/// What happened at some moment of an interval.
pub(super) struct Step<'a, M: Model> {
    pub(super) what: What<'a, M>,
    pub(super) from: usize,
    pub(super) to: usize,
}

pub(super) enum What<'a, M: Model> {
    Answered(&'a Answered<M>),
    /// A sweep came by the thing of that number.
    Swept(u8),
}

impl<M: Model> Step<'_, M> {
    /// What the model may be after the step: nothing, if it would have answered otherwise.
    fn on(&self, model: &M, scene: &Scene) -> Vec<M> {
        let mut after = model.clone();
        match &self.what {
            What::Answered(Answered { call, answer, .. }) => {
                let right = after.answer(call, scene);
                let fits = answer.as_ref().is_ok_and(|seen| M::allows(&right, seen));
                if fits { vec![after] } else { Vec::new() }
            }
            What::Swept(number) => {
                // What somebody is busy with may wait for the next sweep.
                after.sweep(*number, scene.now);
                vec![after, model.clone()]
            }
        }
    }
}

/// What the models may be after these tasks, each of them in its own order and at once with the
/// others: nothing, if no order explains what was answered.
///
/// The search goes by how far each task has come: orders that led to the same model are one.
pub(super) fn outcomes<M: Model>(
    before: &[M],
    tasks: &[Vec<Step<'_, M>>],
    scene: &Scene,
) -> Vec<M> {
    let start = vec![0; tasks.len()];
    let mut reached: Vec<_> = before
        .iter()
        .map(|model| (start.clone(), model.clone()))
        .collect();
    for _ in 0..tasks.iter().map(Vec::len).sum() {
        let mut next = Vec::new();
        for (done, model) in &reached {
            for task in may_be_next(tasks, done) {
                let step = &tasks[task][done[task]];
                let mut done = done.clone();
                done[task] += 1;
                for model in step.on(model, scene) {
                    let place = (done.clone(), model);
                    if !next.contains(&place) {
                        next.push(place);
                    }
                }
            }
        }
        reached = next;
    }
    reached.into_iter().map(|(_, model)| model).collect()
}

/// The tasks whose next step had begun before the next step of any other ended.
fn may_be_next<M: Model>(tasks: &[Vec<Step<'_, M>>], done: &[usize]) -> Vec<usize> {
    let next = |task: usize| tasks[task].get(done[task]);
    let first_end = (0..tasks.len()).filter_map(next).map(|step| step.to).min();
    let began = |task: &usize| next(*task).is_some_and(|step| Some(step.from) <= first_end);
    (0..tasks.len()).filter(began).collect()
}
