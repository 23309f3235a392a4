//! `maintenance`, `maintenance:on`, `maintenance:off`, `features`, `features:enable`, `features:disable`

use super::text::header;
use super::{Done, Steering, below, failed};
use crate::api::APP;
use crate::api::client::part;
use crate::api::shapes::{App, Feature};
use crate::model::exit_code::ExitCode as Code;
use serde_json::json;

impl Steering<'_> {
    pub(super) async fn maintenance(&self) -> Done {
        let (_, app) = self.app().await?;
        if self.json() {
            return self.out_json(&json!({"maintenance": app.maintenance}));
        }
        self.out(if app.maintenance { "on" } else { "off" });
        Ok(Code::Ok)
    }

    pub(super) async fn set_maintenance(&self, on: bool) -> Done {
        let (mut client, app) = self.app().await?;
        let doing = format!("{} maintenance mode for {}", if on { "Enabling" } else { "Disabling" }, app.name);
        self.progress(&doing, async {
            client.patch::<App>(APP, &json!({"maintenance": on})).await?;
            Ok(((), "done".into()))
        })
        .await?;
        Ok(Code::Ok)
    }

    pub(super) async fn features(&self) -> Done {
        let (mut client, app) = self.app().await?;
        let features: Vec<Feature> = client.get(&below("features")).await?;
        if self.json() {
            return self.out_json(&features);
        }
        self.out(&header(&format!("App Features {}", app.name)));
        let width = features.iter().map(|feature| feature.name.len()).max().unwrap_or(0);
        for feature in &features {
            let mark = if feature.enabled { "[+]" } else { "[ ]" };
            self.out(&format!("{mark} {:width$}  {}", feature.name, feature.description));
        }
        Ok(Code::Ok)
    }

    pub(super) async fn switch(&self, name: &str, on: bool) -> Done {
        let (mut client, app) = self.app().await?;
        let doing = format!("{} {name} for {}", if on { "Enabling" } else { "Disabling" }, app.name);
        let path = below(&format!("features/{}", part(name)));
        self.progress(&doing, async {
            let feature: Feature = client.get(&path).await?;
            if feature.enabled == on {
                let state = if on { "enabled" } else { "disabled" };
                return Err(failed(format!("{name} is already {state}.")));
            }
            client.patch::<Feature>(&path, &json!({"enabled": on})).await?;
            Ok(((), "done".into()))
        })
        .await?;
        Ok(Code::Ok)
    }
}
