//! Ctrl-C: the first asks the sweep to end after the runs on their way, the second ends the program at once.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Listens as long as it lives. Batch systems end a job with SIGTERM: it counts as Ctrl-C.
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    registered: Vec<SigId>,
}

impl Interrupt {
    /// Begins to listen.
    pub fn listen() -> io::Result<Interrupt> {
        let asked = Arc::new(AtomicBool::new(false));
        let mut interrupt = Interrupt { asked: asked.clone(), registered: Vec::new() };
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag down and only raises it.
            interrupt.registered.push(flag::register_conditional_default(signal, asked.clone())?);
            interrupt.registered.push(flag::register(signal, asked.clone())?);
        }
        Ok(interrupt)
    }

    /// The flag that the first signal raises.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.asked.clone()
    }

    /// Whether somebody asked.
    pub fn was_asked(&self) -> bool {
        self.asked.load(Relaxed)
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            low_level::unregister(id);
        }
    }
}
