// Package device opens what an image is taken of: a block device, a Windows
// drive or volume, or a regular file. It only ever reads.
//
// Devices are read past the page cache where the system allows it (O_DIRECT,
// FILE_FLAG_NO_BUFFERING): through the cache one bad sector costs its whole
// page. A regular file is read through the cache and, where that fails, once
// more past it.
//
// What the medium says of itself comes from sysfs, udev's database and the
// device's own answers, in this order; nothing is asked that changes anything.
// Host protected areas and device configuration overlays are reported and left
// as they are.
//
// A device that goes away is not a bad sector. Gone knows the errors that say
// so, and Check asks a device that answers "input/output error" to everything
// whether it is still there.
package device
