"""One pjsua2 phone, driven by lines on standard input; says what happens as JSON lines.

Lives here: what a person would press. Never here: what is right or wrong; the tests judge.

Commands: call URI | answer | hold | unhold | transfer URI | hangup | quit
Events:   registered {status} | call {state, status, reason, header} | incoming {from} | held {status}
          | unheld {status} | transfer {status}
"""

import argparse
import json
import select
import sys
from hashlib import md5

import pjsua2 as pj


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class Call(pj.Call):
    def __init__(self, phone, call_id=pj.PJSUA_INVALID_ID):
        super().__init__(phone, call_id)
        self.phone = phone
        self.pending = None

    def onCallState(self, prm):
        info = self.getInfo()
        state = {
            pj.PJSIP_INV_STATE_CALLING: "calling",
            pj.PJSIP_INV_STATE_EARLY: "early",
            pj.PJSIP_INV_STATE_CONNECTING: "connecting",
            pj.PJSIP_INV_STATE_CONFIRMED: "confirmed",
            pj.PJSIP_INV_STATE_DISCONNECTED: "disconnected",
        }.get(info.state, "other")
        message = ""
        event = prm.e
        if event.type == pj.PJSIP_EVENT_TSX_STATE:
            message = event.body.tsxState.src.rdata.wholeMsg
        elif event.type == pj.PJSIP_EVENT_RX_MSG:
            message = event.body.rxMsg.rdata.wholeMsg
        reason = [line[7:].strip() for line in message.splitlines() if line.startswith("Reason:")]
        say("call", state=state, status=info.lastStatusCode, phrase=info.lastReason, reason=reason)
        if state == "disconnected":
            self.phone.call = None

    def onCallTsxState(self, prm):
        tsx = prm.e.body.tsxState.tsx
        if tsx.role != pj.PJSIP_ROLE_UAC or tsx.statusCode < 200 or self.pending is None:
            return
        method, name = self.pending
        if tsx.method == method and tsx.statusCode not in (401, 407):
            self.pending = None
            say(name, status=tsx.statusCode)


class Phone(pj.Account):
    call = None

    def onRegState(self, prm):
        say("registered", status=prm.code)

    def onIncomingCall(self, prm):
        self.call = Call(self, prm.callId)
        say("incoming", **{"from": self.call.getInfo().remoteUri})


def act(phone, line):
    word, _, rest = line.strip().partition(" ")
    prm = pj.CallOpParam(True)
    if word == "call":
        phone.call = Call(phone)
        phone.call.makeCall(rest, prm)
    elif word == "answer":
        prm.statusCode = 200
        phone.call.answer(prm)
    elif word == "hold":
        phone.call.pending = ("INVITE", "held")
        phone.call.setHold(prm)
    elif word == "unhold":
        phone.call.pending = ("INVITE", "unheld")
        prm.opt.flag = pj.PJSUA_CALL_UNHOLD
        phone.call.reinvite(prm)
    elif word == "transfer":
        phone.call.pending = ("REFER", "transfer")
        phone.call.xfer(rest, prm)
    elif word == "hangup":
        phone.call.hangup(prm)


def main():
    options = argparse.ArgumentParser()
    for name in ("server", "transport", "user", "secret", "algorithm"):
        options.add_argument("--" + name, required=True)
    options.add_argument("--authority", help="PEM file: who vouches for the server")
    options = options.parse_args()

    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.logConfig.level = 0
    config.logConfig.consoleLevel = 0
    endpoint.libInit(config)
    endpoint.audDevManager().setNullDev()
    transport = pj.TransportConfig()
    transport.boundAddress = "127.0.0.1"
    if options.authority:
        transport.tlsConfig.CaListFile = options.authority
        transport.tlsConfig.verifyServer = True
    kind = {
        "udp": pj.PJSIP_TRANSPORT_UDP,
        "tcp": pj.PJSIP_TRANSPORT_TCP,
        "tls": pj.PJSIP_TRANSPORT_TLS,
    }[options.transport]
    endpoint.transportCreate(kind, transport)
    endpoint.libStart()

    account = pj.AccountConfig()
    account.idUri = f"sip:{options.user}@example.com"
    account.regConfig.registrarUri = "sip:example.com"
    account.sipConfig.proxies.append(f"sip:{options.server};lr;transport={options.transport}")
    if options.algorithm == "MD5":
        # With a secret it answers the first challenge that it knows; with a hash, only that hash's.
        ha1 = md5(f"{options.user}:example.com:{options.secret}".encode()).hexdigest()
        credentials = pj.AuthCredInfo("digest", "example.com", options.user, 1, ha1)
        credentials.algoType = pj.PJSIP_AUTH_ALGORITHM_MD5
    else:
        credentials = pj.AuthCredInfo("digest", "*", options.user, 0, options.secret)
        credentials.algoType = pj.PJSIP_AUTH_ALGORITHM_SHA256
    account.sipConfig.authCreds.append(credentials)
    account.callConfig.timerUse = pj.PJSUA_SIP_TIMER_OPTIONAL
    account.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
    phone = Phone()
    phone.create(account)

    running = True
    while running:
        endpoint.libHandleEvents(10)
        if select.select([sys.stdin], [], [], 0)[0]:
            line = sys.stdin.readline()
            if not line or line.strip() == "quit":
                running = False
            else:
                try:
                    act(phone, line)
                except (pj.Error, AttributeError) as error:
                    say("error", text=str(error))
    phone.call = None
    phone.shutdown()
    endpoint.libDestroy()


main()
