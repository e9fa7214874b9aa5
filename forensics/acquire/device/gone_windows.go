package device

import (
	"errors"
	"slices"
	"syscall"

	"golang.org/x/sys/windows"
)

// goneErrno knows the errors of a device that is not there any more.
func goneErrno(err error) bool {
	e, ok := errors.AsType[syscall.Errno](err)
	return ok && slices.Contains([]syscall.Errno{windows.ERROR_BAD_UNIT, windows.ERROR_NOT_READY, windows.ERROR_WRONG_DISK,
		windows.ERROR_DEV_NOT_EXIST, windows.ERROR_INVALID_HANDLE, windows.ERROR_NO_SUCH_DEVICE, windows.ERROR_FILE_INVALID,
		windows.ERROR_MEDIA_CHANGED, windows.ERROR_NO_MEDIA_IN_DRIVE, windows.ERROR_DEVICE_NOT_CONNECTED,
		windows.ERROR_DEVICE_REMOVED, windows.ERROR_DEVICE_UNREACHABLE, windows.ERROR_NETNAME_DELETED,
		windows.ERROR_UNEXP_NET_ERR, windows.ERROR_BAD_NETPATH}, e)
}
