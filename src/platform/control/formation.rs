//! Scaling and restarting.

use super::seat::Manner;
use super::{Board, Control, ControlError, Selector};
use crate::model::dyno::{DynoName, DynoSize};
use crate::model::formation::{self, Formation, Scale};
use crate::model::limits;
use crate::model::process_type::ProcessType;

/// A wish about one process type, as `ps:scale web=2:Standard-1X worker+1` and `ps:type` have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleUpdate {
    /// Which.
    pub process_type: ProcessType,
    /// How many, if that shall change.
    pub quantity: Option<Quantity>,
    /// What size, if that shall change.
    pub size: Option<DynoSize>,
}

/// A number of dynos.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// This many.
    To(u32),
    /// More or less than now.
    By(i32),
}

impl Quantity {
    /// Reads `2`, `+1`, `-1`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with(['+', '-']) { text.parse().ok().map(Self::By) } else { text.parse().ok().map(Self::To) }
    }

    fn of(self, now: u32) -> Option<u32> {
        match self {
            Self::To(number) => Some(number),
            Self::By(change) => now.checked_add_signed(change),
        }
    }
}

impl Control {
    /// The process types there are: those of what runs, or of the files before anything does.
    pub fn process_types(&self) -> Vec<ProcessType> {
        let types: Vec<ProcessType> = self.0.board().types().collect();
        if types.is_empty() { self.0.desk.first_types() } else { types }
    }

    /// What is wanted of every process type of the app, those that are not run among them.
    pub fn formation(&self) -> Formation {
        let board = self.0.board();
        let mut all: Formation =
            board.types().map(|name| (name, Scale { quantity: 0, size: DynoSize::BASIC })).collect();
        all.extend(board.formation.clone());
        all
    }

    /// Changes the formation, all of it or, when one wish is wrong, nothing. Returns what is wanted now.
    pub fn scale(&self, updates: &[ScaleUpdate]) -> Result<Formation, ControlError> {
        let mut board = self.0.board();
        if board.closing {
            return Err(ControlError::Closing);
        }
        if board.deployed.is_none() {
            return Err(ControlError::NotReleased);
        }
        let wanted = board.scaled(updates)?;
        let changed: Formation = wanted
            .iter()
            .filter(|(name, scale)| board.formation.get(*name) != Some(*scale))
            .map(|(name, scale)| (name.clone(), *scale))
            .collect();
        if changed.is_empty() {
            return Ok(wanted);
        }
        self.0.desk.keep_scale(&changed).map_err(ControlError::NotKept)?;
        self.0.desk.api(format!("Scaled to {}", formation::describe(&changed)));
        board.formation.clone_from(&wanted);
        self.0.arrange(&mut board, &|_| false, Manner::Replace);
        self.0.publish(&board);
        Ok(wanted)
    }

    /// Restarts dynos: each is told to stop, and its replacement starts at once (R5.3). Returns which.
    pub fn restart(&self, which: &Selector) -> Result<Vec<DynoName>, ControlError> {
        self.renew(which, Manner::Replace)
    }

    /// Stops dynos; those of the formation are started again (R5.4). Returns which.
    pub fn stop_dynos(&self, which: &Selector) -> Result<Vec<DynoName>, ControlError> {
        self.renew(which, Manner::Stop)
    }

    /// The daily restart, now (R5.4). Returns which.
    pub fn cycle(&self, which: &Selector) -> Result<Vec<DynoName>, ControlError> {
        self.renew(which, Manner::Cycle)
    }

    fn renew(&self, which: &Selector, manner: Manner) -> Result<Vec<DynoName>, ControlError> {
        let mut board = self.0.board();
        if board.closing {
            return Err(ControlError::Closing);
        }
        let chosen: Vec<DynoName> = board.names().filter(|name| which.takes(name)).collect();
        // A one-off dyno is not started again, so there is nothing else to do with one.
        let one_offs = board.stop_one_offs(which);
        if chosen.is_empty() && one_offs.is_empty() && *which != Selector::All {
            let running = board.names().chain(board.one_offs.keys().cloned()).map(|name| name.to_string()).collect();
            return Err(ControlError::NoSuchDyno { asked: which.to_string(), running });
        }
        self.0.arrange(&mut board, &|name| chosen.contains(name), manner);
        self.0.publish(&board);
        Ok(chosen.into_iter().chain(one_offs).collect())
    }
}

impl Board {
    /// The process types there are.
    fn types(&self) -> impl Iterator<Item = ProcessType> {
        self.deployed.iter().flat_map(|deployed| deployed.ground.project.app.processes.keys().cloned())
    }

    /// The dynos that are wanted.
    pub(super) fn names(&self) -> impl Iterator<Item = DynoName> {
        self.formation.iter().flat_map(|(process_type, scale)| {
            (1..=scale.quantity).map(|number| DynoName::new(process_type.clone(), number))
        })
    }

    fn scaled(&self, updates: &[ScaleUpdate]) -> Result<Formation, ControlError> {
        let mut wanted = self.formation.clone();
        for update in updates {
            let name = &update.process_type;
            if !self.types().any(|known| known == *name) {
                return Err(ControlError::NoSuchType {
                    asked: name.to_string(),
                    known: self.types().map(|known| known.to_string()).collect(),
                });
            }
            let scale = wanted.entry(name.clone()).or_insert(Scale { quantity: 0, size: DynoSize::BASIC });
            if let Some(quantity) = update.quantity {
                scale.quantity = quantity
                    .of(scale.quantity)
                    .filter(|number| *number <= limits::DYNOS_PER_APP)
                    .ok_or_else(|| ControlError::BadQuantity(name.clone()))?;
            }
            if let Some(size) = update.size {
                scale.size = size;
            }
        }
        let all: u32 = wanted.values().map(|scale| scale.quantity).sum();
        if all > limits::DYNOS_PER_APP {
            return Err(ControlError::TooManyDynos(all));
        }
        Ok(wanted)
    }
}
