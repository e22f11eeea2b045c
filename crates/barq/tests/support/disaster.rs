//! The loss of a machine: all that is left is a backup.

use super::{Barq, end, up};

impl Barq {
    /// Takes a backup, loses processes, instances and data, restores, and starts again on the same ports.
    pub(crate) async fn lose_all_but_a_backup(&mut self) {
        let backup = self.place().join("backup.tar");
        let backup = backup.to_str().expect("a path in UTF-8").to_owned();
        let taken = self.command(&["backup", &backup]).await;
        assert!(taken.status.success(), "{taken:?}");
        end(&mut self.up);
        std::fs::rename(self.data(), self.place().join("lost")).expect("moved away");
        let restored = self.command(&["restore", &backup]).await;
        assert!(restored.status.success(), "{restored:?}");
        let listen = self.server.replace("http://", "");
        let (up, _) = up(self.place(), &listen, &self.ingress);
        self.up = up;
        self.ready().await;
    }
}
