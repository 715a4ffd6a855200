use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::phone::{Country, PhoneNumber};
use crate::rate_limit::{Charge, CounterKey, Limit, Scope};
use crate::vault::Vault;

/// How often things may happen. `None` is off.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Messages to one phone: the least time between two of them, and the operator's windows.
    pub sends_per_phone: Option<Arc<Limit>>,
    /// Messages asked for from one IPv4 address or IPv6 /64.
    pub sends_per_address: Option<Arc<Limit>>,
    /// Messages asked for from one IPv6 /48.
    pub sends_per_network: Option<Arc<Limit>>,
    /// Messages to numbers that differ in their last four digits only.
    pub sends_per_prefix: Option<Arc<Limit>>,
    /// Messages to one country.
    pub sends_per_country: Option<Arc<Limit>>,
    /// All messages.
    pub sends_overall: Option<Arc<Limit>>,
    /// What all messages cost, in thousandths of the money that `prices` are in.
    pub spend_overall: Option<Arc<Limit>>,
    /// What a message to a country costs, in thousandths; 0 where it is not listed.
    pub prices: HashMap<Country, u32>,
    /// Wrong codes for one phone, across codes; cleared by a success.
    pub failures_per_phone: Option<Arc<Limit>>,
    /// Wrong codes from one IPv4 address or IPv6 /64.
    pub failures_per_address: Option<Arc<Limit>>,
}

/// The part of an address that one subscriber holds: all of an IPv4 address, an IPv6 /64.
fn subscriber(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets()[..8].to_vec(),
    }
}

/// The /48 of an IPv6 address, out of which one site gets its /64s.
fn network(address: IpAddr) -> Option<Vec<u8>> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => Some(v6.octets()[..6].to_vec()),
    }
}

fn charge(
    vault: &Vault,
    scope: Scope,
    limit: Option<&Arc<Limit>>,
    subject: &[u8],
    cost: u32,
) -> Option<Charge> {
    let limit = Arc::clone(limit?);
    let key = vault.counter_key(scope, subject);
    (cost > 0).then_some(Charge {
        scope,
        key,
        limit,
        cost,
    })
}

impl Limits {
    /// What a caller's address is charged for one message.
    pub(super) fn of_caller(&self, vault: &Vault, address: IpAddr) -> Vec<Charge> {
        let own = &subscriber(address);
        let address_charge = charge(
            vault,
            Scope::SendsPerAddress,
            self.sends_per_address.as_ref(),
            own,
            1,
        );
        let network_charge = network(address).and_then(|net| {
            charge(
                vault,
                Scope::SendsPerNetwork,
                self.sends_per_network.as_ref(),
                &net,
                1,
            )
        });
        address_charge.into_iter().chain(network_charge).collect()
    }

    /// What a message to that phone is charged, besides its caller.
    pub(super) fn of_message(&self, vault: &Vault, phone: &PhoneNumber) -> Vec<Charge> {
        let country = phone.country();
        let price = self.prices.get(&country).copied().unwrap_or(0);
        let number = phone.as_e164().as_bytes();
        let prefix = phone.prefix().as_bytes();
        let rows = [
            (Scope::SendsPerPhone, &self.sends_per_phone, number, 1),
            (Scope::SendsPerPrefix, &self.sends_per_prefix, prefix, 1),
            (
                Scope::SendsPerCountry,
                &self.sends_per_country,
                country.as_str().as_bytes(),
                1,
            ),
            (Scope::SendsOverall, &self.sends_overall, b"".as_slice(), 1),
            (
                Scope::SpendOverall,
                &self.spend_overall,
                b"".as_slice(),
                price,
            ),
        ];
        rows.into_iter()
            .filter_map(|(scope, limit, subject, cost)| {
                charge(vault, scope, limit.as_ref(), subject, cost)
            })
            .collect()
    }

    /// What a wrong guess is charged: the phone, once for each of its codes that the guess is
    /// judged against, and who tried it.
    pub(super) fn of_failure(
        &self,
        vault: &Vault,
        phone: &PhoneNumber,
        codes: u32,
        address: IpAddr,
    ) -> Vec<Charge> {
        let per_phone = charge(
            vault,
            Scope::FailuresPerPhone,
            self.failures_per_phone.as_ref(),
            phone.as_e164().as_bytes(),
            codes,
        );
        let per_address = charge(
            vault,
            Scope::FailuresPerAddress,
            self.failures_per_address.as_ref(),
            &subscriber(address),
            1,
        );
        per_phone.into_iter().chain(per_address).collect()
    }

    /// The counter that a success clears.
    pub(super) fn failures_of(vault: &Vault, phone: &PhoneNumber) -> CounterKey {
        vault.counter_key(Scope::FailuresPerPhone, phone.as_e164().as_bytes())
    }
}
