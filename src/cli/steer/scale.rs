//! `ps:scale` and `ps:type`

use super::text::{header, table};
use super::{Done, SteerError, Steering, below};
use crate::api::Client;
use crate::api::shapes::{Formation, FormationUpdate, FormationUpdates};
use crate::cli::args::steer::{Scale, Type};
use crate::model::exit_code::ExitCode as Code;
use std::collections::BTreeMap;

impl Steering<'_> {
    pub(super) async fn scale(&self, args: &Scale) -> Done {
        let (mut client, _) = self.app().await?;
        if args.changes.is_empty() {
            let formation: Vec<Formation> = client.get(&below("formation")).await?;
            if self.json() {
                return self.out_json(&formation);
            }
            let words: Vec<String> =
                formation.iter().map(|one| format!("{}={}:{}", one.process_type, one.quantity, one.size)).collect();
            self.out(&words.join(" "));
            return Ok(Code::Ok);
        }
        let update = |change: &crate::cli::args::steer::Change| FormationUpdate {
            process_type: change.process_type.clone(),
            quantity: Some(change.quantity.clone().into()),
            size: change.size.clone(),
        };
        let updates = FormationUpdates { updates: args.changes.iter().map(update).collect() };
        let formation = self
            .progress("Scaling dynos", async {
                let formation: Vec<Formation> = client.patch(&below("formation"), &updates).await?;
                let changed = |one: &&Formation| args.changes.iter().any(|c| c.process_type == one.process_type);
                let words: Vec<String> = formation
                    .iter()
                    .filter(changed)
                    .map(|one| format!("{} at {}:{}", one.process_type, one.quantity, one.size))
                    .collect();
                Ok((formation, format!("done, now running {}", words.join(", "))))
            })
            .await?;
        if self.json() { self.out_json(&formation) } else { Ok(Code::Ok) }
    }

    pub(super) async fn sizes(&self, args: &Type) -> Done {
        let (mut client, app) = self.app().await?;
        let updates = self.wanted_sizes(&mut client, &args.sizes).await?;
        if !updates.is_empty() {
            let doing = format!("Scaling dynos on {}", app.name);
            self.progress(&doing, async {
                client.patch::<Vec<Formation>>(&below("formation"), &FormationUpdates { updates }).await?;
                Ok(((), "done".into()))
            })
            .await?;
        }
        let formation: Vec<Formation> = client.get(&below("formation")).await?;
        if self.json() {
            return self.out_json(&formation);
        }
        self.print_sizes(&formation);
        Ok(Code::Ok)
    }

    /// One size for all process types, or `TYPE=SIZE` each.
    async fn wanted_sizes(&self, client: &mut Client, words: &[String]) -> Result<Vec<FormationUpdate>, SteerError> {
        let update = |process_type: &str, size: &str| FormationUpdate {
            process_type: process_type.to_owned(),
            quantity: None,
            size: Some(size.to_owned()),
        };
        if let [size] = words
            && !size.contains('=')
        {
            let formation: Vec<Formation> = client.get(&below("formation")).await?;
            return Ok(formation.iter().map(|one| update(&one.process_type, size)).collect());
        }
        let pair = |word: &String| match word.split_once('=') {
            Some((process_type, size)) => Ok(update(process_type, size)),
            None => Err(SteerError::Said(
                Code::Usage,
                format!("`{word}`: write one size for all, or TYPE=SIZE each, as web=standard-2x"),
            )),
        };
        words.iter().map(pair).collect()
    }

    fn print_sizes(&self, formation: &[Formation]) {
        let row = |one: &Formation| vec![one.process_type.clone(), one.size.clone(), one.quantity.to_string()];
        let rows: Vec<Vec<String>> = formation.iter().map(row).collect();
        let mut totals: BTreeMap<&str, u32> = BTreeMap::new();
        for one in formation {
            *totals.entry(&one.size).or_default() += one.quantity;
        }
        let totals: Vec<Vec<String>> =
            totals.iter().map(|(size, count)| vec![(*size).to_owned(), count.to_string()]).collect();
        self.out(&header("Process Types"));
        self.out_all(&table(&["Type", "Size", "Qty"], &rows));
        self.out("");
        self.out(&header("Dyno Totals"));
        self.out_all(&table(&["Type", "Total"], &totals));
    }
}
