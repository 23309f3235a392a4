//! What the keys ask of the app, in words of the keys: each answers with a line for the user.

use super::signals::QUIT;
use super::terminal;
use crate::model::dyno::DynoSize;
use crate::model::formation::Formation;
use crate::model::process_type::ProcessType;
use crate::platform::control::{Control, Quantity, ScaleUpdate, Selector, Typing};
use crate::platform::interrupt::Interrupter;

/// A hand on the app of this process.
pub(super) struct Steer {
    pub(super) control: Control,
    pub(super) interrupter: Interrupter,
}

impl Steer {
    pub(super) fn quit(&self) {
        self.interrupter.press(QUIT);
    }

    pub(super) fn toggle_maintenance(&self) -> String {
        let on = !self.control.maintenance();
        self.control.set_maintenance(on);
        maintenance(on).into()
    }

    /// `web=1 worker=0`
    pub(super) fn formation(&self) -> String {
        words(&self.control.formation())
    }

    pub(super) fn restart(&self, which: &str) -> String {
        match self.control.restart(&Selector::parse(which)) {
            Ok(dynos) => {
                let names: Vec<String> = dynos.iter().map(ToString::to_string).collect();
                format!("restarting {}", names.join(", "))
            }
            Err(error) => error.to_string(),
        }
    }

    pub(super) fn scale(&self, text: &str) -> String {
        let done = updates(text).and_then(|all| self.control.scale(&all).map_err(|error| error.to_string()));
        done.map_or_else(|reason| reason, |formation| format!("now running {}", words(&formation)))
    }

    pub(super) fn type_into(&self, name: &str) -> Result<Typing, String> {
        self.control.type_into(name, terminal::size()).map_err(|error| error.to_string())
    }
}

/// What is said to a rebuild that came to what runs.
pub(super) const NOTHING_NEW: &str = "nothing has changed; no release is made";

/// The line for the switch.
pub(super) fn maintenance(on: bool) -> &'static str {
    if on { "maintenance mode is on: every request is answered with 503 (H80)" } else { "maintenance mode is off" }
}

fn words(formation: &Formation) -> String {
    let types: Vec<String> = formation.iter().map(|(name, scale)| format!("{name}={}", scale.quantity)).collect();
    types.join(" ")
}

/// `web=2 worker+1 clock=1:Standard-2X`, with commas or spaces.
pub(super) fn updates(text: &str) -> Result<Vec<ScaleUpdate>, String> {
    text.split([' ', ',']).filter(|word| !word.is_empty()).map(update).collect()
}

fn update(word: &str) -> Result<ScaleUpdate, String> {
    let wrong = || format!("`{word}` is no wish: write web=2, worker+1 or web=1:Standard-2X");
    let at = word.find(['=', '+', '-']).ok_or_else(wrong)?;
    let (name, wish) = word.split_at(at);
    let (number, size) = match wish.split_once(':') {
        Some((number, size)) => {
            (number, Some(DynoSize::named(size).ok_or_else(|| format!("there is no size {size}"))?))
        }
        None => (wish, None),
    };
    let quantity = Quantity::parse(number.strip_prefix('=').unwrap_or(number)).ok_or_else(wrong)?;
    let process_type = ProcessType::new(name).map_err(|error| error.to_string())?;
    Ok(ScaleUpdate { process_type, quantity: Some(quantity), size })
}

#[cfg(test)]
mod tests {
    use super::updates;
    use crate::platform::control::Quantity;

    #[test]
    fn wishes_are_written_as_for_ps_scale() {
        let all = updates("web=2, worker+1 clock-1 web=1:standard-2x").unwrap();
        let quantities: Vec<_> = all.iter().map(|one| one.quantity.unwrap()).collect();
        assert_eq!(quantities, [Quantity::To(2), Quantity::By(1), Quantity::By(-1), Quantity::To(1)]);
        assert_eq!(all[3].size.unwrap().name, "Standard-2X");
        for wrong in ["web", "web=", "web=x", "=2", "web=1:huge"] {
            assert!(updates(wrong).is_err(), "{wrong}");
        }
    }
}
