package eventlog

import "kanshiki/forensics/event"

const (
	auditing = "Microsoft-Windows-Security-Auditing"
	service  = "Microsoft-Windows-Eventlog"
)

const (
	target  = "user=TargetDomainName+TargetUserName;sid=TargetUserSid|TargetSid;"
	subject = "user=SubjectDomainName+SubjectUserName;sid=SubjectUserSid;logon_id=SubjectLogonId;"
	account = "target_user=TargetDomainName+TargetUserName;target_sid=TargetSid;" + subject
)

// security is the meaning of the Security log. Sources: Microsoft's audit event
// reference (appendix L of "Monitoring Active Directory", and the pages "4624"
// to "6416"); ANCHORS 4a, 4e, 4f.
var security = []rule{
	{auditing, 4608, event.Started, "Windows started; the audit began", "", nil},
	{auditing, 4609, event.Stopped, "Windows is shutting down", "", nil},
	{auditing, 4616, event.TimeChanged, "system time set[ from {old_time}][ to {new_time}][ by {program}][, user {user}]", subject + "program=ProcessName;pid=ProcessId", clock},
	{auditing, 4624, event.LoggedOn, "logon of {user}, {LogonType|logon} (type {LogonType})[ from {address}][, workstation {WorkstationName}][, by {program}]",
		target + "logon_type=LogonType;logon_id=TargetLogonId;address=IpAddress;port=IpPort;host=WorkstationName;program=ProcessName;pid=ProcessId;package=AuthenticationPackageName;by_user=SubjectDomainName+SubjectUserName", nil},
	{auditing, 4625, event.LogonFailed, "logon of {user} failed: {status|status}, {LogonType|logon} (type {LogonType})[ from {address}][, workstation {WorkstationName}]",
		"user=TargetDomainName+TargetUserName;sid=TargetUserSid;logon_type=LogonType;address=IpAddress;port=IpPort;host=WorkstationName;program=ProcessName;pid=ProcessId;package=AuthenticationPackageName;by_user=SubjectDomainName+SubjectUserName;status=SubStatus|Status", failedStatus},
	{auditing, 4627, event.Other, "groups of the logon {logon_id} of {user}, {LogonType|logon} (type {LogonType}): {GroupMembership}", target + "logon_type=LogonType;logon_id=TargetLogonId", nil},
	{auditing, 4634, event.LoggedOff, "logon session {logon_id} of {user} ended, {LogonType|logon} (type {LogonType})", target + "logon_type=LogonType;logon_id=TargetLogonId", nil},
	{auditing, 4647, event.LoggedOff, "{user} logged off", target + "logon_id=TargetLogonId", nil},
	{auditing, 4648, event.PrivilegeUsed, "{user} gave the credentials of {target_user}[ for {TargetServerName}][, by {program}][, address {address}]",
		subject + "target_user=TargetDomainName+TargetUserName;program=ProcessName;pid=ProcessId;address=IpAddress;port=IpPort;host=TargetServerName", nil},
	{auditing, 4656, event.Other, "handle asked for: {ObjectType} {ObjectName}[, by {program}], user {user}", subject + "object=ObjectName;access=AccessMask;program=ProcessName;pid=ProcessId", object},
	{auditing, 4657, event.Written, "registry value {registry_value} of {registry_key} changed[, by {program}], user {user}", subject + "key=ObjectName;value=ObjectValueName;program=ProcessName;pid=ProcessId", nil},
	{auditing, 4660, event.Deleted, "object of handle {HandleId} deleted[, by {program}], user {user}", subject + "program=ProcessName;pid=ProcessId", nil},
	{auditing, 4663, event.ReadOrOpened, "{ObjectType} {ObjectName} accessed, mask {AccessMask}[, by {program}], user {user}", subject + "object=ObjectName;access=AccessMask;program=ProcessName;pid=ProcessId", object},
	{auditing, 4670, event.MetadataChanged, "permissions of {ObjectType} {ObjectName} changed[, by {program}], user {user}", subject + "object=ObjectName;program=ProcessName;pid=ProcessId", object},
	{auditing, 4672, event.PrivilegeUsed, "special privileges given to the logon {logon_id} of {user}", subject, nil},
	{auditing, 4673, event.PrivilegeUsed, "privileged service [{Service} ]called: {PrivilegeList}[, by {program}], user {user}", subject + "program=ProcessName;pid=ProcessId", nil},
	{auditing, 4674, event.PrivilegeUsed, "privileged operation on {ObjectType} {ObjectName}[, by {program}], user {user}", subject + "object=ObjectName;program=ProcessName;pid=ProcessId", nil},
	{auditing, 4688, event.Executed, "{program} started[: {CommandLine}][, parent {ParentProcessName}], user {user}",
		subject + "program=NewProcessName;path=NewProcessName;pid=NewProcessId;parent=ParentProcessName;parent_pid=ProcessId;command_line=CommandLine;target_user=TargetDomainName+TargetUserName", nil},
	{auditing, 4689, event.Stopped, "{program} ended with {Status}, user {user}", subject + "program=ProcessName;pid=ProcessId;status=Status", nil},
	{auditing, 4696, event.PrivilegeUsed, "primary token of {target_user} given to {TargetProcessName}, by {program}", subject + "target_user=TargetDomainName+TargetUserName;program=ProcessName;pid=ProcessId", nil},
	{auditing, 4697, event.Installed, "service {service} installed: {program}, user {user}", subject + "service=ServiceName;program=ServiceFileName;command_line=ServiceFileName;account=ServiceAccount", serviceProgram},
	{auditing, 4698, event.JobQueued, "task {task} registered[: {program}], user {user}", subject + "task=TaskName", taskXML},
	{auditing, 4699, event.PersistenceRemoved, "task {task} deleted, user {user}", subject + "task=TaskName", taskXML},
	{auditing, 4700, event.Configured, "task {task} enabled, user {user}", subject + "task=TaskName", taskXML},
	{auditing, 4701, event.Configured, "task {task} disabled, user {user}", subject + "task=TaskName", taskXML},
	{auditing, 4702, event.Configured, "task {task} changed[: {program}], user {user}", subject + "task=TaskName", taskXML},
	{auditing, 4704, event.Configured, "right {PrivilegeList} given to {TargetSid}, by {user}", subject + "target_sid=TargetSid", nil},
	{auditing, 4717, event.Configured, "access {AccessGranted} given to {TargetSid}, by {user}", subject + "target_sid=TargetSid", nil},
	{auditing, 4719, event.Configured, "audit policy changed: subcategory {SubcategoryGuid}, {AuditPolicyChanges}, by {user}", subject, nil},
	{auditing, 4720, event.Created, "account {target_user} created, by {user}", account, nil},
	{auditing, 4722, event.Configured, "account {target_user} enabled, by {user}", account, nil},
	{auditing, 4723, event.Configured, "{user} tried to change the password of {target_user}", account, nil},
	{auditing, 4724, event.Configured, "{user} tried to reset the password of {target_user}", account, nil},
	{auditing, 4725, event.Configured, "account {target_user} disabled, by {user}", account, nil},
	{auditing, 4726, event.Deleted, "account {target_user} deleted, by {user}", account, nil},
	{auditing, 4727, event.Created, "global group {target_user} created, by {user}", account, nil},
	{auditing, 4728, event.Configured, "{MemberSid} added to the global group {target_user}, by {user}", account + "member=MemberName|MemberSid", nil},
	{auditing, 4729, event.Configured, "{MemberSid} removed from the global group {target_user}, by {user}", account + "member=MemberName|MemberSid", nil},
	{auditing, 4731, event.Created, "local group {target_user} created, by {user}", account, nil},
	{auditing, 4732, event.Configured, "{MemberSid} added to the local group {target_user}, by {user}", account + "member=MemberName|MemberSid", nil},
	{auditing, 4733, event.Configured, "{MemberSid} removed from the local group {target_user}, by {user}", account + "member=MemberName|MemberSid", nil},
	{auditing, 4735, event.Configured, "local group {target_user} changed, by {user}", account, nil},
	{auditing, 4738, event.Configured, "account {target_user} changed, by {user}", account, nil},
	{auditing, 4740, event.Configured, "account {target_user} locked, reported by {TargetDomainName}", "target_user=TargetUserName;host=TargetDomainName;" + subject, nil},
	{auditing, 4741, event.Created, "computer account {target_user} created, by {user}", account, nil},
	{auditing, 4742, event.Configured, "computer account {target_user} changed, by {user}", account, nil},
	{auditing, 4756, event.Configured, "{MemberSid} added to the universal group {target_user}, by {user}", account + "member=MemberName|MemberSid", nil},
	{auditing, 4767, event.Configured, "account {target_user} unlocked, by {user}", account, nil},
	{auditing, 4768, event.Other, "Kerberos ticket asked for by {user}: {Status|status}[, from {address}]", target + "address=IpAddress;port=IpPort;status=Status;service=ServiceName", ticket},
	{auditing, 4769, event.Other, "Kerberos service ticket for {ServiceName} asked for by {user}: {Status|status}[, from {address}]", target + "address=IpAddress;port=IpPort;status=Status;service=ServiceName", nil},
	{auditing, 4770, event.Other, "Kerberos service ticket for {ServiceName} renewed by {user}[, from {address}]", target + "address=IpAddress;port=IpPort;service=ServiceName", nil},
	{auditing, 4771, event.LogonFailed, "Kerberos pre-authentication of {user} failed: {Status|status}[, from {address}]", "user=TargetUserName;sid=TargetSid;address=IpAddress;port=IpPort;status=Status;service=ServiceName", nil},
	{auditing, 4776, event.Other, "credentials of {user} checked: {Status|status}[, from {Workstation}]", "user=TargetUserName;host=Workstation;status=Status;package=PackageName", ticket},
	{auditing, 4778, event.LoggedOn, "session {SessionName} of {user} connected again[, from {address}][ ({ClientName})]", "user=AccountDomain+AccountName;logon_id=LogonID;host=ClientName;address=ClientAddress", nil},
	{auditing, 4779, event.Other, "session {SessionName} of {user} disconnected[, from {address}][ ({ClientName})]", "user=AccountDomain+AccountName;logon_id=LogonID;host=ClientName;address=ClientAddress", nil},
	{auditing, 4781, event.Renamed, "account {OldTargetUserName} renamed to {NewTargetUserName}, by {user}", subject + "target_user=TargetDomainName+NewTargetUserName;target_sid=TargetSid", nil},
	{auditing, 4798, event.Other, "groups of {target_user} listed, by {program}, user {user}", account + "program=CallerProcessName;pid=CallerProcessId", nil},
	{auditing, 4799, event.Other, "members of the group {target_user} listed, by {program}, user {user}", account + "program=CallerProcessName;pid=CallerProcessId", nil},
	{auditing, 4800, event.Other, "workstation locked by {user}", target, nil},
	{auditing, 4801, event.Other, "workstation unlocked by {user}", target, nil},
	{auditing, 4825, event.LogonFailed, "remote desktop refused to {user}[, from {address}]", "user=AccountDomain+AccountName;logon_id=LogonID;address=ClientAddress", nil},
	{auditing, 4907, event.Configured, "audit settings of {ObjectType} {ObjectName} changed[, by {program}], user {user}", subject + "object=ObjectName;program=ProcessName;pid=ProcessId", nil},
	{auditing, 4946, event.Configured, "firewall rule {RuleName} added", "rule=RuleName", nil},
	{auditing, 4947, event.Configured, "firewall rule {RuleName} changed", "rule=RuleName", nil},
	{auditing, 4948, event.Configured, "firewall rule {RuleName} deleted", "rule=RuleName", nil},
	{auditing, 4950, event.Configured, "firewall setting {SettingType} of profile {ProfileChanged} is now {SettingValue}", "", nil},
	{auditing, 5140, event.ShareAccessed, "share {ShareName} accessed by {user}[, from {address}]", subject + "address=IpAddress;port=IpPort;share=ShareName;local_path=ShareLocalPath;access=AccessMask", nil},
	{auditing, 5142, event.Configured, "share {ShareName} added: {ShareLocalPath}, by {user}", subject + "share=ShareName;local_path=ShareLocalPath", nil},
	{auditing, 5144, event.Configured, "share {ShareName} removed, by {user}", subject + "share=ShareName;local_path=ShareLocalPath", nil},
	{auditing, 5145, event.ShareAccessed, "{RelativeTargetName} of share {ShareName} asked for by {user}[, from {address}], mask {AccessMask}", subject + "address=IpAddress;port=IpPort;share=ShareName;local_path=ShareLocalPath;access=AccessMask;object=RelativeTargetName", shareFile},
	{auditing, 5152, event.Other, "packet blocked: {program}, {Direction|direction}, {address}:{port}, {Protocol|protocol}", wfp, nil},
	{auditing, 5154, event.Listened, "{program} may listen on {SourceAddress}:{SourcePort}, {Protocol|protocol}", "program=Application;pid=ProcessId;port=SourcePort;protocol=Protocol", nil},
	{auditing, 5156, event.Connected, "{program} allowed: {Direction|direction}, {address}:{port}, {Protocol|protocol}", wfp, nil},
	{auditing, 5157, event.Other, "connection blocked: {program}, {Direction|direction}, {address}:{port}, {Protocol|protocol}", wfp, nil},
	{auditing, 5158, event.Listened, "{program} bound to {SourceAddress}:{SourcePort}, {Protocol|protocol}", "program=Application;pid=ProcessId;port=SourcePort;protocol=Protocol", nil},
	{auditing, 5379, event.PrivilegeUsed, "stored credentials read by {user}[: {TargetName}]", subject + "pid=ClientProcessId", nil},
	{auditing, 6416, event.DeviceAttached, "new device: {DeviceDescription} {device}", subject + "device=DeviceId", pnp},
	{auditing, 6419, event.Configured, "device {device} is to be disabled, by {user}", subject + "device=DeviceId", nil},
	{auditing, 6420, event.Configured, "device {device} disabled, by {user}", subject + "device=DeviceId", nil},
	{auditing, 6422, event.Configured, "device {device} enabled, by {user}", subject + "device=DeviceId", nil},

	{service, 1100, event.Stopped, "event log service is shutting down", "", nil},
	{service, 1101, event.Other, "audit records were dropped, reason {Reason}", "", nil},
	{service, 1102, event.Cleared, "Security log cleared by {user}", subject, cleared},
	{service, 1104, event.Other, "Security log is full", "", nil},
	{service, 1105, event.Other, "log {Channel} saved to {BackupPath} and begun anew", "cleared=Channel;path=BackupPath", nil},
	{service, 104, event.Cleared, "log {Channel} cleared by {user}[, saved to {BackupPath}]", subject + "cleared=Channel", cleared},
	{service, 105, event.Other, "log {Channel} saved to {BackupPath} and begun anew", "path=BackupPath", nil},
	{service, 1108, event.Other, "the service could not write event {EventID} of {PublisherID}", "", nil},
}

// wfp names the peer: in these events the destination is the other machine in
// both directions.
const wfp = "program=Application;pid=ProcessID|ProcessId;address=DestAddress;port=DestPort;protocol=Protocol;direction=Direction"
