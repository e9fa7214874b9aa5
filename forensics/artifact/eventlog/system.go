package eventlog

import "kanshiki/forensics/event"

const (
	scm     = "Service Control Manager"
	general = "Microsoft-Windows-Kernel-General"
	power   = "Microsoft-Windows-Kernel-Power"
	userPnp = "Microsoft-Windows-UserPnp"
	w32time = "Microsoft-Windows-Time-Service"
)

// system is the meaning of the System and Application logs. Sources: ANCHORS
// 4a, 4e, 4f; the field names are those of the providers' manifests, as they
// stand in records.
var system = []rule{
	{scm, 7000, event.Other, "service {param1} did not start: {param2}", "service=param1;status=param2", nil},
	{scm, 7009, event.Other, "service {param2} did not answer within {param1} ms", "service=param2", nil},
	{scm, 7023, event.Stopped, "service {param1} ended with the error {param2}", "service=param1;status=param2", nil},
	{scm, 7024, event.Stopped, "service {param1} ended with its own error {param2}", "service=param1;status=param2", nil},
	{scm, 7031, event.Stopped, "service {param1} ended unexpectedly, {param2} times so far", "service=param1", nil},
	{scm, 7034, event.Stopped, "service {param1} ended unexpectedly, {param2} times so far", "service=param1", nil},
	{scm, 7035, event.Other, "control {param2} sent to service {param1}", "service=param1;state=param2", nil},
	{scm, 7036, event.Other, "service {param1} is now {param2}", "service=param1;state=param2", serviceState},
	{scm, 7040, event.Configured, "start of service {param1} changed from {param2} to {param3}", "service=param4|param1;old_value=param2;new_value=param3", nil},
	{scm, 7045, event.Installed, "service {service} installed: {command_line}, {StartType}[, account {AccountName}]", "service=ServiceName;program=ImagePath;command_line=ImagePath;account=AccountName", serviceProgram},

	{"EventLog", 6005, event.Started, "event log service started", "", nil},
	{"EventLog", 6006, event.Stopped, "event log service stopped", "", nil},
	{"EventLog", 6008, event.Stopped, "the shutdown before this start, at {1} on {2} (local), was not expected", "", nil},
	{"EventLog", 6009, event.Started, "Windows {1} build {2} [{3} ]started", "", nil},
	{"EventLog", 6011, event.Configured, "computer name changed from {1} to {2}", "old_value=1;new_value=2", nil},
	{"EventLog", 6013, event.Other, "the system has been up for {5} s", "", nil},

	{general, 1, event.TimeChanged, "system time set[ from {old_time}][ to {new_time}][, reason {Reason}][ by {program}]", "program=ProcessName;pid=ProcessID;reason=Reason", clock},
	{general, 12, event.Started, "operating system started at {StartTime}", "", nil},
	{general, 13, event.Stopped, "operating system is shutting down at {StopTime}", "", nil},
	{general, 24, event.Configured, "time zone refreshed, bias {CurrentBias} min", "", nil},
	{power, 41, event.Stopped, "the system stopped without a clean shutdown before this start", "", nil},
	{power, 42, event.Stopped, "the system is going to sleep, reason {Reason}", "reason=Reason", nil},
	{power, 107, event.Started, "the system woke from sleep", "", nil},
	{power, 109, event.Stopped, "the kernel began a shutdown, reason {ShutdownReason}", "", nil},
	{"Microsoft-Windows-Power-Troubleshooter", 1, event.Started, "the system slept from {SleepTime} to {WakeTime}", "", nil},
	{"User32", 1074, event.Stopped, "{param5} begun by {program} for {user}, reason {param3}", "program=param1;user=param7;reason=param3", shutdown},
	{"USER32", 1074, event.Stopped, "{5} begun by {program} for {user}, reason {3}", "program=1;user=7;reason=3", shutdown},
	{w32time, 35, event.Other, "time is now taken from {TimeSource}", "", nil},
	{w32time, 37, event.Other, "time data is received from {TimeSource}", "", nil},
	{w32time, 50, event.Other, "the clock differs from the time source by {TimeDifferenceMilliseconds} ms", "", nil},
	{w32time, 52, event.TimeChanged, "time service set the clock by {TimeOffsetSeconds} s", "", nil},
	{"Microsoft-Windows-Winlogon", 7001, event.LoggedOn, "logon of {sid} announced, session {TSId}", "sid=UserSid;session=TSId", nil},
	{"Microsoft-Windows-Winlogon", 7002, event.LoggedOff, "logoff of {sid} announced, session {TSId}", "sid=UserSid;session=TSId", nil},

	{userPnp, 20001, event.DeviceAttached, "driver {DriverDescription} installed for {device}", "device=DeviceInstanceID;status=InstallStatus", pnp},
	{userPnp, 20003, event.Installed, "driver service {ServiceName} ({DriverFileName}) added for {device}", "device=DeviceInstanceID;service=ServiceName;program=DriverFileName", nil},
	{"Microsoft-Windows-DriverFrameworks-UserMode", 2003, event.DeviceAttached, "device {device} came: its driver host was asked to load", "device=UMDFHostDeviceArrivalBegin@instance|instance|InstanceId", nil},
	{"Microsoft-Windows-DriverFrameworks-UserMode", 2100, event.Other, "power operation for device {device}", "device=UMDFHostDeviceRequest@instance|instance|InstanceId", nil},
	{"Microsoft-Windows-DriverFrameworks-UserMode", 2102, event.Other, "power operation for device {device} ended", "device=UMDFHostDeviceRequest@instance|instance|InstanceId", nil},
	{"Microsoft-Windows-DriverFrameworks-UserMode", 10000, event.DeviceAttached, "driver is being installed for {device}", "device=DeviceId", pnp},
	{"Microsoft-Windows-Kernel-PnP", 400, event.DeviceAttached, "device {device} configured, driver {DriverName}", "device=DeviceInstanceId", pnp},
	{"Microsoft-Windows-Kernel-PnP", 410, event.DeviceAttached, "device {device} started, driver {DriverName}", "device=DeviceInstanceId", pnp},
	{"Microsoft-Windows-Kernel-PnP", 420, event.DeviceRemoved, "device {device} deleted", "device=DeviceInstanceId", nil},
	{"Microsoft-Windows-Kernel-PnP", 430, event.Other, "device {device} needs further installation", "device=DeviceInstanceId", nil},
	{"Microsoft-Windows-Partition", 1006, event.DeviceAttached, "disk {DiskNumber}: {Manufacturer} {Model}, serial {SerialNumber}, {Capacity} bytes (0: removed)", "device=ParentId|SerialNumber", partition},

	{"Application Error", 1000, event.Executed, "{1} failed in {4} with {7}[: {program}]", "program=11|AppPath|1|AppName;module=12|ModulePath;status=7|ExceptionCode", nil},
	{"Application Hang", 1002, event.Executed, "{1} did not answer[: {program}]", "program=6|AppPath|1|AppName", nil},
	{"Windows Error Reporting", 1001, event.Other, "error report {3}: {6} {7} {8}", "", nil},
	{"MsiInstaller", 1033, event.Installed, "{1} {2} installed by MSI, status {4}", "product=1;status=4", nil},
	{"MsiInstaller", 1034, event.Deleted, "{1} {2} removed by MSI, status {4}", "product=1;status=4", nil},
	{"MsiInstaller", 1040, event.Started, "MSI transaction begun: {1}", "path=1;pid=2", nil},
	{"MsiInstaller", 1042, event.Stopped, "MSI transaction ended: {1}", "path=1;pid=2", nil},
	{"MsiInstaller", 11707, event.Installed, "{1}", "product=1", nil},
	{"MsiInstaller", 11724, event.Deleted, "{1}", "product=1", nil},
	{"SecurityCenter", 15, event.Configured, "{1} is now {2}", "product=1;state=2", nil},
	{"Microsoft-Windows-Directory-Services-SAM", 16962, event.Configured, "remote calls to SAM are restricted: {Default SD String:}", "", nil},
}
