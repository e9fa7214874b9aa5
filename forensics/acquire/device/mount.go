package device

// Mount is a place where the system uses a source now.
type Mount struct {
	Device   string `json:"device"` // the part of the source, or what is built on it
	Point    string `json:"point"`  // "swap" for swap space
	Type     string `json:"type,omitempty"`
	Writable bool   `json:"writable"`
}

// Mounted lists where the source, its partitions and what is built on them
// (device mapper, RAID, loop devices) are mounted or used as swap.
func Mounted(path string) ([]Mount, error) { return mounted(path) }

// OnSource tells whether a folder lies on the source: what is written there
// would change it.
func OnSource(path, dir string) (bool, error) { return onSource(path, dir) }

// Free is how many bytes can be written into a folder's file system.
func Free(dir string) (int64, error) { return free(dir) }
