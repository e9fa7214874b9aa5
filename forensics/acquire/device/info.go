package device

// Info is what is known of a source. What a device does not say is empty, and
// Notes tell what was asked in vain.
type Info struct {
	Path       string   `json:"path"` // as it was given
	Kind       Kind     `json:"kind"`
	Size       int64    `json:"size"`
	Sector     int      `json:"logical_sector"`
	Physical   int      `json:"physical_sector,omitempty"` // 0 where it is not said
	Direct     bool     `json:"direct"`                    // read past the page cache
	Buffered   string   `json:"buffered,omitempty"`        // why not
	Model      string   `json:"model,omitempty"`
	Vendor     string   `json:"vendor,omitempty"`
	Serial     string   `json:"serial,omitempty"`
	Firmware   string   `json:"firmware,omitempty"`
	WWN        string   `json:"wwn,omitempty"`
	Bus        string   `json:"bus,omitempty"`       // "ata", "usb", "nvme", "scsi", "mmc", "virtio", "loop" …
	Parent     string   `json:"parent,omitempty"`    // the disk that a partition lies on
	ReadOnly   *bool    `json:"read_only,omitempty"` // the system refuses writes; nil where it does not say
	Rotational *bool    `json:"rotational,omitempty"`
	Removable  *bool    `json:"removable,omitempty"`
	Hidden     Hidden   `json:"hidden"`
	Notes      []string `json:"notes,omitempty"`
}

// Hidden is what the device says of sectors that it does not show.
type Hidden struct {
	State   string `json:"state"`             // "none", "hpa", "dco", or why it is not known
	Visible int64  `json:"visible,omitempty"` // logical sectors, 0 where not known
	Native  int64  `json:"native,omitempty"`  // with the host protected area
	Factory int64  `json:"factory,omitempty"` // with what a device configuration overlay hides
}

func (i *Info) note(s string) { i.Notes = append(i.Notes, s) }
