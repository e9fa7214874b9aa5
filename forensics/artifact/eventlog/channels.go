package eventlog

import "kanshiki/forensics/event"

const (
	scheduler  = "Microsoft-Windows-TaskScheduler"
	powershell = "Microsoft-Windows-PowerShell"
	defender   = "Microsoft-Windows-Windows Defender"
	sessions   = "Microsoft-Windows-TerminalServices-LocalSessionManager"
	bits       = "Microsoft-Windows-Bits-Client"
	dns        = "Microsoft-Windows-DNS-Client"
	firewall   = "Microsoft-Windows-Windows Firewall With Advanced Security"
	wmi        = "Microsoft-Windows-WMI-Activity"
	threat     = "path=Path;threat=Threat Name;severity=Severity Name;category=Category Name;program=Process Name;user=Detection User|User;response=Action Name;detected=Detection Time"
)

// channels is the meaning of the logs that single parts of Windows keep.
// Sources: ANCHORS 4a, 4e, 4f; Microsoft's list of Defender event identifiers;
// field names as they stand in records.
var channels = []rule{
	{scheduler, 100, event.Started, "task {task} started for {user}", "task=TaskName;user=UserContext", nil},
	{scheduler, 102, event.Stopped, "task {task} finished for {user}", "task=TaskName;user=UserContext", nil},
	{scheduler, 106, event.JobQueued, "task {task} registered by {user}", "task=TaskName;user=UserContext", nil},
	{scheduler, 107, event.Started, "task {task} started by its time", "task=TaskName", nil},
	{scheduler, 110, event.Started, "task {task} started by {user}", "task=TaskName;user=UserContext", nil},
	{scheduler, 129, event.Executed, "task {task} started {program}, process {ProcessID}", "task=TaskName;program=Path;path=Path;pid=ProcessID", nil},
	{scheduler, 140, event.Configured, "task {task} changed by {user}", "task=TaskName;user=UserName", nil},
	{scheduler, 141, event.PersistenceRemoved, "task {task} deleted by {user}", "task=TaskName;user=UserName", nil},
	{scheduler, 142, event.Configured, "task {task} disabled by {user}", "task=TaskName;user=UserName", nil},
	{scheduler, 200, event.Executed, "task {task} started its action {program}", "task=TaskName;program=ActionName;path=ActionName;pid=EnginePID", nil},
	{scheduler, 201, event.Stopped, "task {task} ended its action {program}, result {ResultCode}", "task=TaskName;program=ActionName;status=ResultCode;pid=EnginePID", nil},

	{powershell, 4100, event.Other, "PowerShell error: {Payload}", "script=Payload", nil},
	{powershell, 4103, event.Executed, "PowerShell pipeline: {Payload}", "script=Payload", pipeline},
	{powershell, 4104, event.Executed, "PowerShell script block {MessageNumber} of {MessageTotal}[, {Path}]: {ScriptBlockText}", "script=ScriptBlockText;path=Path;script_id=ScriptBlockId", nil},
	{powershell, 40961, event.Started, "PowerShell console is starting", "", nil},
	{powershell, 40962, event.Started, "PowerShell console is ready", "", nil},
	{powershell, 53504, event.Started, "PowerShell listens on a pipe, process {param1}", "pid=param1", nil},
	{"PowerShellCore", 4104, event.Executed, "PowerShell script block {MessageNumber} of {MessageTotal}[, {Path}]: {ScriptBlockText}", "script=ScriptBlockText;path=Path;script_id=ScriptBlockId", nil},
	{"PowerShellCore", 40961, event.Started, "PowerShell console is starting", "", nil},
	{"PowerShellCore", 40962, event.Started, "PowerShell console is ready", "", nil},
	{"PowerShell", 400, event.Started, "PowerShell engine is {1} (was {2})[: {command_line}]", "", classicPowerShell},
	{"PowerShell", 403, event.Stopped, "PowerShell engine is {1} (was {2})[: {command_line}]", "", classicPowerShell},
	{"PowerShell", 600, event.Started, "PowerShell provider {1} is {2}[: {command_line}]", "", classicPowerShell},
	{"PowerShell", 800, event.Executed, "PowerShell pipeline: {1}[, host {command_line}]", "script=1", classicPowerShell},

	{defender, 1000, event.Started, "Defender scan started", "user=Domain+User", nil},
	{defender, 1001, event.Stopped, "Defender scan finished", "user=Domain+User", nil},
	{defender, 1002, event.Stopped, "Defender scan was stopped before its end", "user=Domain+User", nil},
	{defender, 1006, event.Detected, "Defender found {threat} in {Path}", threat, defenderPath},
	{defender, 1007, event.Detected, "Defender acted on {threat} in {Path}: {response}", threat, defenderPath},
	{defender, 1008, event.Detected, "Defender could not act on {threat} in {Path}: {response}", threat, defenderPath},
	{defender, 1009, event.Other, "{threat} was restored from quarantine: {Path}", threat, defenderPath},
	{defender, 1010, event.Other, "{threat} could not be restored from quarantine: {Path}", threat, defenderPath},
	{defender, 1011, event.Deleted, "{threat} was deleted from quarantine: {Path}", threat, defenderPath},
	{defender, 1012, event.Other, "{threat} could not be deleted from quarantine: {Path}", threat, defenderPath},
	{defender, 1013, event.Cleared, "Defender history up to {Timestamp} was removed", "user=Domain+User", defenderHistory},
	{defender, 1015, event.Detected, "Defender saw suspicious behaviour: {threat} {Path}", threat, defenderPath},
	{defender, 1116, event.Detected, "Defender found {threat} ({Severity Name}) in {Path}[, process {program}]", threat, defenderPath},
	{defender, 1117, event.Detected, "Defender acted on {threat} in {Path}: {response}", threat, defenderPath},
	{defender, 1118, event.Detected, "Defender failed to act on {threat} in {Path}: {response}", threat, defenderPath},
	{defender, 1119, event.Detected, "Defender failed badly to act on {threat} in {Path}: {response}", threat, defenderPath},
	{defender, 1150, event.Other, "Defender runs and is healthy", "", nil},
	{defender, 1151, event.Other, "Defender health: real-time protection {RTP state}, signatures of {AV security intelligence creation time}", "", nil},
	{defender, 2000, event.Configured, "Defender signatures updated to {Current Signature Version}", "", nil},
	{defender, 5000, event.Configured, "Defender real-time protection was switched on", "", nil},
	{defender, 5001, event.Configured, "Defender real-time protection was switched off", "", nil},
	{defender, 5004, event.Configured, "Defender real-time protection was changed", "", nil},
	{defender, 5007, event.Configured, "Defender setting changed from {Old Value} to {New Value}", "old_value=Old Value;new_value=New Value", nil},
	{defender, 5010, event.Configured, "Defender scan for malware was switched off", "", nil},
	{defender, 5012, event.Configured, "Defender scan for viruses was switched off", "", nil},
	{defender, 5013, event.Configured, "tamper protection stopped a change of Defender: {Value}", "", nil},

	{sessions, 21, event.LoggedOn, "session {SessionID} of {user}: logon[, from {Address}]", "user=User;session=SessionID;address=Address", nil},
	{sessions, 22, event.Started, "session {SessionID} of {user}: shell started[, from {Address}]", "user=User;session=SessionID;address=Address", nil},
	{sessions, 23, event.LoggedOff, "session {SessionID} of {user}: logoff", "user=User;session=SessionID", nil},
	{sessions, 24, event.Other, "session {SessionID} of {user}: disconnected[, from {Address}]", "user=User;session=SessionID;address=Address", nil},
	{sessions, 25, event.LoggedOn, "session {SessionID} of {user}: connected again[, from {Address}]", "user=User;session=SessionID;address=Address", nil},
	{sessions, 39, event.Other, "session {TargetSession} was disconnected by session {Source}", "session=TargetSession", nil},
	{sessions, 40, event.Other, "session {Session} was disconnected, reason {Reason}", "session=Session;reason=Reason", nil},
	{"Microsoft-Windows-TerminalServices-RemoteConnectionManager", 1149, event.Connected, "remote desktop connection asked for {user} from {address}; not a logon yet", "user=Param2+Param1;address=Param3", nil},
	{"Microsoft-Windows-TerminalServices-RemoteConnectionManager", 261, event.Connected, "listener {listenerName} received a connection", "", nil},
	{"Microsoft-Windows-TerminalServices-RDPClient", 1024, event.Connected, "this machine connects by remote desktop to {Value}", "host=Value", nil},
	{"Microsoft-Windows-TerminalServices-RDPClient", 1102, event.Connected, "this machine connects by remote desktop to {Value}", "address=Value", nil},
	{"Microsoft-Windows-TerminalServices-Gateway", 302, event.Connected, "{user} connected through the gateway to {Resource}, from {address}", "user=Username;address=IpAddress;host=Resource", nil},
	{"Microsoft-Windows-TerminalServices-Gateway", 303, event.Transferred, "{user} left {Resource}, from {address}: {BytesReceived} bytes received, {BytesTransfered} sent in {SessionDuration} s", "user=Username;address=IpAddress;host=Resource;received=BytesReceived;sent=BytesTransfered", nil},
	{"Microsoft-Windows-RemoteDesktopServices-RdpCoreTS", 131, event.Connected, "remote desktop accepted a {ConnType} connection from {ClientIP}", "address=ClientIP", nil},
	{"Microsoft-Windows-RemoteDesktopServices-RdpCoreTS", 140, event.LogonFailed, "remote desktop connection from {IPString} failed: wrong name or password", "address=IPString", nil},
	{"Microsoft-Windows-WinRM", 6, event.Connected, "WinRM session is made to {connection}", "host=connection", nil},
	{"Microsoft-Windows-WinRM", 91, event.Connected, "WinRM shell is made: {resourceUri}", "", nil},
	{"Microsoft-Windows-WinRM", 168, event.Connected, "WinRM client {user} was accepted", "user=username", nil},

	{bits, 3, event.JobQueued, "BITS job {job} made by {user}[, program {program}]", "job=jobTitle|string;job_id=jobId;user=jobOwner|string2;program=processPath|string3;pid=processId", nil},
	{bits, 4, event.Transferred, "BITS job {job} of {user} is complete: {fileCount} files, {bytesTransferred} bytes", "job=jobTitle;job_id=jobId;user=jobOwner|User;bytes=bytesTransferred", nil},
	{bits, 5, event.Other, "BITS job {job} of {user} was cancelled", "job=jobTitle;job_id=jobId;user=jobOwner|User", nil},
	{bits, 59, event.Transferred, "BITS job {job} began to move {url}", "job=name;job_id=Id;url=url;bytes_total=bytesTotal;bytes=bytesTransferred", bitsBytes},
	{bits, 60, event.Transferred, "BITS job {job} ended moving {url}: {bytesTransferred} of {bytesTotal} bytes, status {hr}", "job=name;job_id=Id;url=url;bytes_total=bytesTotal;bytes=bytesTransferred;status=hr;proxy=proxy", bitsBytes},
	{bits, 61, event.Transferred, "BITS job {job} stopped moving {url}: status {hr}", "job=name;job_id=Id;url=url;bytes_total=bytesTotal;bytes=bytesTransferred;status=hr;proxy=proxy", bitsBytes},
	{bits, 16403, event.JobQueued, "BITS job {job} of {user}: {url} to {LocalName}[, program {program}]", "job=jobTitle;job_id=jobId;user=User|jobOwner;url=RemoteName;path=LocalName;program=processPath", nil},

	{dns, 1014, event.NameResolved, "no answer for the name {QueryName}", "host=QueryName;query=QueryName", nil},
	{dns, 3006, event.NameResolved, "name {QueryName} was asked for", "host=QueryName;query=QueryName", nil},
	{dns, 3008, event.NameResolved, "name {QueryName} gave {QueryResults}, status {QueryStatus}", "host=QueryName;query=QueryName;answer=QueryResults;status=QueryStatus", nil},
	{dns, 3020, event.NameResolved, "name {QueryName} gave {QueryResults}, status {Status}", "host=QueryName;query=QueryName;answer=QueryResults;status=Status|QueryStatus", nil},
	{"Microsoft-Windows-WLAN-AutoConfig", 8001, event.Connected, "joined the wireless network {SSID}", "network=SSID", nil},
	{"Microsoft-Windows-WLAN-AutoConfig", 8003, event.Other, "left the wireless network {SSID}", "network=SSID", nil},
	{"Microsoft-Windows-NetworkProfile", 10000, event.Connected, "network {Name} connected", "network=Name", nil},
	{"Microsoft-Windows-NetworkProfile", 10001, event.Other, "network {Name} disconnected", "network=Name", nil},
	{"Microsoft-Windows-SmbClient", 30800, event.ShareAccessed, "server {ServerName} was not found", "host=ServerName", nil},
	{"Microsoft-Windows-SMBClient", 30800, event.ShareAccessed, "server {ServerName} was not found", "host=ServerName", nil},
	{"Microsoft-Windows-SMBClient", 31001, event.LogonFailed, "logon to the server {ServerName} failed for {UserName}", "host=ServerName;user=UserName", nil},
	{"Microsoft-Windows-PrintService", 307, event.Transferred, "{Param2} printed by {user} on {Param5}: {Param8} pages, {Param7} bytes", "job=Param1;document=Param2;user=Param3;host=Param4;device=Param5;bytes=Param7", nil},

	{firewall, 2003, event.Configured, "firewall setting {SettingType} of profile {Profiles} is now {SettingValueString}, by {program}", "sid=ModifyingUser;program=ModifyingApplication", nil},
	{firewall, 2004, event.Configured, "firewall rule {RuleName} added for {ApplicationPath}, by {program}", "rule=RuleName;path=ApplicationPath;sid=ModifyingUser;program=ModifyingApplication", nil},
	{firewall, 2005, event.Configured, "firewall rule {RuleName} changed for {ApplicationPath}, by {program}", "rule=RuleName;path=ApplicationPath;sid=ModifyingUser;program=ModifyingApplication", nil},
	{firewall, 2006, event.Configured, "firewall rule {RuleName} deleted, by {program}", "rule=RuleName;sid=ModifyingUser;program=ModifyingApplication", nil},
	{wmi, 5857, event.Loaded, "WMI provider {ProviderName} loaded: {ProviderPath}", "program=ProviderPath;path=ProviderPath;pid=ProcessID", nil},
	{wmi, 5859, event.Configured, "WMI event filter registered: {Query}", "query=Query;user=User;pid=Processid", nil},
	{wmi, 5860, event.Configured, "temporary WMI event consumer for {Query}, by {User}", "query=Query;user=User;pid=Processid", nil},
	{wmi, 5861, event.Persisted, "permanent WMI event consumer: {CONSUMER}", "query=ESS;consumer=CONSUMER", nil},
	{"Microsoft-Windows-Shell-Core", 9707, event.Executed, "the shell started the run entry {command_line}", "command_line=Command", runEntry},
	{"Microsoft-Windows-Shell-Core", 9708, event.Executed, "the run entry {command_line} is process {PID}", "command_line=Command;pid=PID", runEntry},
}
