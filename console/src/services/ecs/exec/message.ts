// The messages of a session's data channel, as AWS's session-manager-plugin has them.
//
//   | header length 4 | type 32 | schema version 4 | created 8 | sequence 8 | flags 8 |
//   | message id 16 | SHA-256 of the payload 32 | payload type 4 | payload length 4 | payload |
//
// Numbers are big-endian; the halves of a message id are the other way round.

import { Sha256 } from '@aws-crypto/sha256-js';

export const PayloadType = {
  output: 1,
  size: 3,
  handshakeRequest: 5,
  handshakeResponse: 6,
  handshakeComplete: 7,
  flag: 10,
} as const;

const HEADER = 116;

export interface Message {
  type: string;
  sequence: number;
  id: string;
  payloadType: number;
  payload: Uint8Array;
}

function digest(payload: Uint8Array): Uint8Array {
  const hash = new Sha256();
  hash.update(payload);
  return hash.digestSync();
}

export function encode(type: string, sequence: number, payloadType: number, payload: Uint8Array, flags = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER + 4 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, HEADER);
  bytes.set(new TextEncoder().encode(type.padEnd(32)), 4);
  view.setUint32(36, 1);
  view.setBigUint64(40, BigInt(Date.now()));
  view.setBigInt64(48, BigInt(sequence));
  view.setBigUint64(56, BigInt(flags));
  const id = crypto.getRandomValues(new Uint8Array(16));
  bytes.set(id, 64);
  bytes.set(digest(payload), 80);
  view.setUint32(112, payloadType);
  view.setUint32(116, payload.length);
  bytes.set(payload, HEADER + 4);
  return bytes;
}

export function decode(bytes: ArrayBuffer): Message | undefined {
  if (bytes.byteLength < HEADER + 4) return undefined;
  const view = new DataView(bytes);
  const header = view.getUint32(0);
  if (header < HEADER || bytes.byteLength < header + 4) return undefined;
  const text = (from: number, to: number) => new TextDecoder().decode(new Uint8Array(bytes, from, to - from));
  const hex = (from: number, to: number) => Array.from(new Uint8Array(bytes, from, to - from), (b) => b.toString(16).padStart(2, '0')).join('');
  const id = hex(72, 80) + hex(64, 72);
  return {
    type: text(4, 36).replace(/[\0 ]+$/, ''),
    sequence: Number(view.getBigInt64(48)),
    id: [id.slice(0, 8), id.slice(8, 12), id.slice(12, 16), id.slice(16, 20), id.slice(20)].join('-'),
    payloadType: view.getUint32(112),
    payload: new Uint8Array(bytes, header + 4),
  };
}
