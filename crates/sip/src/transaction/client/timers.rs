//! What becomes of client transactions without a message. Lives here: retransmission, timeouts, broken
//! streams. Never here: what a response does.

use types::Tick;

use super::super::queue::Timer;
use super::super::slots::Handle;
use super::super::{ClientTx, Transactions, TxEvent};
use super::{Cancel, Client, Kind, Request, State};
use crate::flow::{Flow, Outbox};

impl Transactions {
    pub(in super::super) fn client_retransmit(
        &mut self,
        now: Tick,
        handle: Handle,
        out: &mut Outbox,
    ) {
        // Timers A and E.
        let t2_ms = self.timers.t2_ms;
        let client = self.clients.get_mut(handle);
        let Some(request) = client.and_then(|client| client.request.as_mut()) else { return };
        out.push(request.flow, &request.bytes);
        request.interval_ms = match (request.kind, request.state) {
            (Kind::Invite(_), _) => 2 * request.interval_ms,
            // RFC 3261 §17.1.2.2: once there was a provisional response, every T2.
            (_, State::Proceeding) => t2_ms,
            _ => (2 * request.interval_ms).min(t2_ms),
        };
        let interval_ms = request.interval_ms;
        self.set_client_retransmit(now, handle, interval_ms);
    }

    pub(in super::super) fn client_end(&mut self, handle: Handle, events: &mut Vec<TxEvent>) {
        // Timers B, D, F, K, M, and the wait after CANCEL.
        let Some(client) = self.remove_client(handle) else { return };
        if client.waits_for_final() {
            events.push(TxEvent::ClientTimeout { tx: ClientTx(handle), user: client.user });
        }
    }

    pub(in super::super) fn clients_of_failed_flow(
        &mut self,
        failed: &Flow,
        events: &mut Vec<TxEvent>,
    ) {
        if failed.transport.is_reliable() && !self.stream_clients.contains_key(&failed.peer) {
            return;
        }
        let hit: Vec<Handle> = self
            .clients
            .iter()
            .filter(|(_, client)| {
                client.request.as_ref().is_some_and(|sent| sent.goes_over(failed))
            })
            .map(|(handle, _)| handle)
            .collect();
        for handle in hit {
            // An INVITE takes its CANCEL along, which may have been on the list.
            let Some(client) = self.clients.get(handle) else { continue };
            let (user, is_told) = (client.user, client.waits_for_final());
            if client.request.as_ref().is_some_and(Request::is_pending) {
                self.remove_client(handle);
            }
            if is_told {
                events.push(TxEvent::ClientTransportFailed { tx: ClientTx(handle), user });
            }
        }
    }

    pub(super) fn set_client_retransmit(&mut self, now: Tick, handle: Handle, delay_ms: u64) {
        let at = self.set_timer(now, delay_ms, Timer::ClientRetransmit, handle);
        if let Some(client) = self.clients.get_mut(handle) {
            client.retransmit_at = at;
        }
    }

    pub(super) fn set_client_end(&mut self, now: Tick, handle: Handle, delay_ms: u64) {
        let at = self.set_timer(now, delay_ms, Timer::ClientEnd, handle);
        if let Some(client) = self.clients.get_mut(handle) {
            client.end_at = at;
        }
    }

    pub(super) fn remove_client(&mut self, handle: Handle) -> Option<Client> {
        let mut client = self.clients.remove(handle)?;
        if let Some(request) = client.request.as_mut() {
            self.pool.give_back(std::mem::take(&mut request.bytes));
            if request.flow.transport.is_reliable()
                && let Some(count) = self.stream_clients.get_mut(&request.flow.peer)
            {
                *count -= 1;
                if *count == 0 {
                    self.stream_clients.remove(&request.flow.peer);
                }
            }
            if let Kind::Invite(Cancel::Sent(cancel)) = request.kind {
                self.remove_client(cancel);
            }
        }
        Some(client)
    }
}
