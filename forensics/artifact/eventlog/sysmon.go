package eventlog

import "kanshiki/forensics/event"

const sysmonName = "Microsoft-Windows-Sysmon"

const acting = "user=User;program=Image;pid=ProcessId;"

// sysmon is the meaning of Sysmon's log, by its own schema (versions 4 to 15).
var sysmon = []rule{
	{sysmonName, 1, event.Executed, "{program} started[: {CommandLine}][, parent {ParentImage}], user {user}",
		acting + "path=Image;command_line=CommandLine;parent=ParentImage;parent_pid=ParentProcessId;logon_id=LogonId;hashes=Hashes", hashes},
	{sysmonName, 2, event.MetadataChanged, "creation time of {TargetFilename} set from {PreviousCreationUtcTime} to {CreationUtcTime}, by {program}", acting + "path=TargetFilename;old_time=PreviousCreationUtcTime;new_time=CreationUtcTime", nil},
	{sysmonName, 3, event.Connected, "{program} connected: {SourceIp}:{SourcePort} to {DestinationIp}:{DestinationPort}[ {DestinationHostname}], {Protocol}", acting + "protocol=Protocol", sysmonPeer},
	{sysmonName, 4, event.Started, "Sysmon is now {State}", "state=State", sysmonState},
	{sysmonName, 5, event.Stopped, "{program} ended", acting, nil},
	{sysmonName, 6, event.Loaded, "driver {ImageLoaded} loaded, signature {SignatureStatus} {Signature}", "path=ImageLoaded;program=ImageLoaded;hashes=Hashes;signature=Signature;signed=SignatureStatus", hashes},
	{sysmonName, 7, event.Loaded, "{program} loaded {ImageLoaded}, signature {SignatureStatus}", acting + "path=ImageLoaded;hashes=Hashes;signature=Signature;signed=SignatureStatus", hashes},
	{sysmonName, 8, event.Other, "{program} made a thread in {TargetImage}", "program=SourceImage;pid=SourceProcessId;path=TargetImage", nil},
	{sysmonName, 9, event.ReadOrOpened, "{program} read the device {Device} raw", acting + "device=Device", nil},
	{sysmonName, 10, event.Other, "{program} opened the process {TargetImage}, access {GrantedAccess}", "program=SourceImage;pid=SourceProcessId;path=TargetImage;access=GrantedAccess", nil},
	{sysmonName, 11, event.Created, "{path} created or overwritten, by {program}", acting + "path=TargetFilename", nil},
	{sysmonName, 12, event.Created, "{EventType} {registry_key}, by {program}", acting + "key=TargetObject", sysmonKey},
	{sysmonName, 13, event.Written, "{registry_key} set to {Details}, by {program}", acting + "key=TargetObject;new_value=Details", sysmonKey},
	{sysmonName, 14, event.Renamed, "{registry_key} renamed to {NewName}, by {program}", acting + "key=TargetObject;new_value=NewName", sysmonKey},
	{sysmonName, 15, event.Created, "stream {TargetFilename} made, by {program}", acting + "path=TargetFilename;hashes=Hash", hashes},
	{sysmonName, 16, event.Configured, "Sysmon's configuration changed: {Configuration}", "", nil},
	{sysmonName, 17, event.Created, "pipe {PipeName} made, by {program}", acting + "object=PipeName", nil},
	{sysmonName, 18, event.Connected, "pipe {PipeName} connected, by {program}", acting + "object=PipeName", nil},
	{sysmonName, 19, event.Configured, "WMI filter {Name} {Operation}: {Query}", "user=User;query=Query", nil},
	{sysmonName, 20, event.Configured, "WMI consumer {Name} {Operation}: {Destination}", "user=User;consumer=Name", nil},
	{sysmonName, 21, event.Persisted, "WMI consumer {Consumer} bound to {Filter}: {Operation}", "user=User;consumer=Consumer", nil},
	{sysmonName, 22, event.NameResolved, "{program} asked for {QueryName}: {QueryResults}, status {QueryStatus}", acting + "host=QueryName;query=QueryName;answer=QueryResults;status=QueryStatus", nil},
	{sysmonName, 23, event.Deleted, "{path} deleted and kept, by {program}", acting + "path=TargetFilename;hashes=Hashes", hashes},
	{sysmonName, 24, event.Other, "clipboard changed by {program}", acting + "session=Session;hashes=Hashes", hashes},
	{sysmonName, 25, event.Other, "image of {program} was tampered with: {Type}", acting, nil},
	{sysmonName, 26, event.Deleted, "{path} deleted, by {program}", acting + "path=TargetFilename;hashes=Hashes", hashes},
	{sysmonName, 27, event.Other, "making of {path} blocked, by {program}", acting + "path=TargetFilename;hashes=Hashes", hashes},
	{sysmonName, 28, event.Other, "wiping of {path} blocked, by {program}", acting + "path=TargetFilename;hashes=Hashes", hashes},
	{sysmonName, 29, event.Created, "program {path} made, by {program}", acting + "path=TargetFilename;hashes=Hashes", hashes},
	{sysmonName, 255, event.Other, "Sysmon error {ID}: {Description}", "", nil},
}
