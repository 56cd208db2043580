// A session's data channel: everything that is typed and shown arrives once and in order, over as many
// connections as it takes.

import { decode, encode, type Message, PayloadType } from './message';

interface Heard {
  onOutput: (bytes: Uint8Array) => void;
  onEnd: (why: string) => void;
}

const RESEND_MILLIS = 1000;
const MOST_EARLY = 1024;
/** A connection that breaks so often in a row does not come again. */
const MOST_TRIES = 5;

export class Channel {
  private socket: WebSocket | undefined;
  private sent = 0;
  private unacknowledged = new Map<number, Uint8Array<ArrayBuffer>>();
  private expected = 0;
  private early = new Map<number, Message>();
  private ended = false;
  private tries = 0;
  private timer: ReturnType<typeof setInterval>;

  constructor(
    private readonly url: string,
    private readonly token: string,
    private readonly heard: Heard,
  ) {
    this.open();
    this.timer = setInterval(() => this.resend(), RESEND_MILLIS);
  }

  type(text: string) {
    this.send(PayloadType.output, new TextEncoder().encode(text));
  }

  size(cols: number, rows: number) {
    this.json(PayloadType.size, { cols, rows });
  }

  close() {
    if (this.ended) return;
    // The flag that ends the session (2).
    this.send(PayloadType.flag, new Uint8Array([0, 0, 0, 2]));
    this.end('The terminal was closed.');
  }

  private open() {
    const socket = new WebSocket(this.url);
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    socket.onopen = () => {
      socket.send(
        JSON.stringify({ MessageSchemaVersion: '1.0', RequestId: identifier(), TokenValue: this.token, ClientId: identifier(), ClientVersion: '1.2.0.0' }),
      );
      this.resend();
    };
    socket.onmessage = ({ data }) => {
      this.tries = 0;
      if (data instanceof ArrayBuffer) this.receive(decode(data));
    };
    socket.onclose = () => {
      if (this.ended || this.socket !== socket) return;
      this.tries += 1;
      if (this.tries > MOST_TRIES) this.end('The connection ended.');
      else setTimeout(() => this.ended || this.open(), 300 * this.tries);
    };
  }

  private send(payloadType: number, payload: Uint8Array) {
    if (this.ended) return;
    const message = encode('input_stream_data', this.sent, payloadType, payload);
    this.unacknowledged.set(this.sent, message);
    this.sent += 1;
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(message);
  }

  private json(payloadType: number, value: unknown) {
    this.send(payloadType, new TextEncoder().encode(JSON.stringify(value)));
  }

  private resend() {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    for (const message of this.unacknowledged.values()) this.socket.send(message);
  }

  private receive(message: Message | undefined) {
    if (!message || this.ended) return;
    if (message.type === 'acknowledge') {
      const { AcknowledgedMessageSequenceNumber: number } = parsed(message.payload) as { AcknowledgedMessageSequenceNumber: number };
      this.unacknowledged.delete(number);
    } else if (message.type === 'channel_closed') {
      const { Output: output } = parsed(message.payload) as { Output?: string };
      this.end(output || 'The session has ended.');
    } else if (message.type === 'output_stream_data') {
      this.acknowledge(message);
      if (message.sequence < this.expected || this.early.size >= MOST_EARLY) return;
      this.early.set(message.sequence, message);
      for (let next = this.early.get(this.expected); next; next = this.early.get(this.expected)) {
        this.early.delete(this.expected);
        this.expected += 1;
        this.take(next);
      }
    }
  }

  private acknowledge(message: Message) {
    const said = {
      AcknowledgedMessageType: message.type,
      AcknowledgedMessageId: message.id,
      AcknowledgedMessageSequenceNumber: message.sequence,
      IsSequentialMessage: true,
    };
    const payload = new TextEncoder().encode(JSON.stringify(said));
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(encode('acknowledge', 0, 0, payload, 3));
  }

  private take(message: Message) {
    if (message.payloadType === PayloadType.output) this.heard.onOutput(message.payload);
    else if (message.payloadType === PayloadType.handshakeRequest) this.shakeHands(message);
  }

  private shakeHands(message: Message) {
    const { RequestedClientActions: asked = [] } = parsed(message.payload) as { RequestedClientActions?: { ActionType: string }[] };
    const done = asked.map(({ ActionType }) =>
      ActionType === 'SessionType'
        ? { ActionType, ActionStatus: 1, ActionResult: null, Error: '' }
        : { ActionType, ActionStatus: 3, ActionResult: null, Error: `The console does not do ${ActionType}.` },
    );
    const refused = done.filter((action) => action.Error);
    this.json(PayloadType.handshakeResponse, {
      ClientVersion: '1.2.0.0',
      ProcessedClientActions: done,
      Errors: refused.map((action) => action.Error),
    });
    if (refused.length > 0) {
      this.end('This cluster encrypts its sessions by a key of KMS, which the console does not do yet: use `aws ecs execute-command`.');
    }
  }

  private end(why: string) {
    if (this.ended) return;
    this.ended = true;
    clearInterval(this.timer);
    // What was sent last still goes out.
    setTimeout(() => this.socket?.close(), 200);
    this.heard.onEnd(why);
  }
}

function parsed(payload: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(payload));
  } catch {
    return {};
  }
}

/** A random UUID, also where the page is no secure context. */
function identifier(): string {
  const hex = Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20)].join('-');
}
