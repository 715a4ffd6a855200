//! The gateways, and the way between them.

use std::collections::BTreeMap;
use std::sync::Arc;

use adapter_sms::{Context, Route, Router, SettingFault};
use domain::ports::{Clock, SmsSender};

use crate::builder::Overrides;
use crate::config::{Config, Faults};
use crate::start::StartError;

pub use adapter_sms::{Outbox, OutboxMessage};

/// The stub's kind in the configuration.
const STUB: &str = "stub";

/// What messages go out by.
pub(crate) struct Gateways {
    /// One gateway, or a router over several.
    pub(crate) sms: Arc<dyn SmsSender>,
    /// What stubs "sent", if a stub may be among those that send.
    pub(crate) outbox: Option<Arc<Outbox>>,
}

/// The gateway that was given, or a router over those that the configuration names.
pub(crate) fn open(
    config: &Config,
    given: &Overrides,
    clock: &Arc<dyn Clock>,
) -> Result<Gateways, StartError> {
    if let Some(sms) = &given.sms {
        return Ok(Gateways {
            sms: Arc::clone(sms),
            outbox: None,
        });
    }
    let outbox = Arc::new(Outbox::default());
    let context = Context {
        clock: Arc::clone(clock),
        outbox: Arc::clone(&outbox),
    };
    let mut gateways = BTreeMap::new();
    for (name, gateway) in &config.sms.gateways {
        let built = adapter_sms::build(&gateway.kind, name, gateway.settings(), &context);
        gateways.insert(
            name.as_str(),
            built.map_err(|faults| refused(config, name, faults))?,
        );
    }
    let route = |names: &Vec<String>| -> Route {
        let found = names.iter().filter_map(|name| {
            let gateway = gateways.get(name.as_str())?;
            Some((name.clone(), Arc::clone(gateway)))
        });
        found.collect()
    };
    let by_country = config.sms.routes.iter();
    let by_country = by_country.map(|(country, names)| (*country, route(names)));
    let router = Router::new(route(&config.sms.route), by_country.collect());
    let routes = config.sms.routes.values().chain([&config.sms.route]);
    let has_stub = routes.flatten().any(|name| {
        let gateway = config.sms.gateways.get(name);
        gateway.is_some_and(|gateway| gateway.kind == STUB)
    });
    Ok(Gateways {
        sms: Arc::new(router),
        outbox: has_stub.then_some(outbox),
    })
}

/// Loading the configuration has tried the settings already, so this does not happen.
fn refused(config: &Config, name: &str, faults: Vec<SettingFault>) -> StartError {
    let fault = |fault: SettingFault| {
        config.fault(&format!("sms.gateways.{name}.{}", fault.key), fault.text)
    };
    Faults(faults.into_iter().map(fault).collect()).into()
}
