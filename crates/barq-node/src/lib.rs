//! The data plane: proxy, instances, probes, autoscaler, tripwires, logs.
