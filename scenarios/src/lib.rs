//! Every actor, workload and oracle that scenario files can name.
