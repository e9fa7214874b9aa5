package device

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// goneErrno knows the errors of a device that is not there any more: pulled,
// without its medium, its driver or network gone, or its file closed.
func goneErrno(err error) bool {
	e, ok := errors.AsType[unix.Errno](err)
	return ok && slices.Contains([]unix.Errno{unix.ENXIO, unix.ENODEV, unix.ENOMEDIUM, unix.EBADF,
		unix.ENOTCONN, unix.ECONNABORTED, unix.ESTALE, unix.ESHUTDOWN, unix.EREMCHG}, e)
}
