/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/exec_shell.h"

#include <string.h>

#include "base/alloc.h"
#include "base/crypto.h"

/*
 * A constant below 200 bytes: line editors stop at about a thousand characters. The echo of it
 * holds no byte 1. Blank first: shells that keep a history leave it out.
 */
static const char boot_line[] =
    " stty raw -echo||printf '\\1Mstty\\n';exec /bin/sh -c 'for t in dd base64 od tr;do "
    "command -v $t>/dev/null||printf \"\\1M$t\\n\";done;printf \"\\1R\\n\";read -r s;"
    "eval \"$(printf %s \"$s\"|base64 -d)\"'\n";

/* Hexadecimal digits of the error output: none of base64's 65 characters, no bracket or brace. */
static const char error_digits[] = "!#$%&()*,-.:;<>?";

/*
 * Descriptors: 3 and 4 the terminal, 6 the pipe of the error output. The relays and the command
 * hold nothing that keeps another one's pipe open.
 */
static const char split_head[] =
    "exec 2>/dev/null 3<&0 4>&1;printf '\\1B'\n"
    "r(){ while n=$(dd bs=7 count=1 iflag=fullblock);[ \"$n\" -gt 0 ];do "
    "dd bs=$n count=1 iflag=fullblock|base64 -d;done;}\n"
    "o(){ while c=$(dd bs=24000 count=1|base64 -w0);[ -n \"$c\" ];do "
    "printf %s \"$c\";done;printf '{';}\n"
    "e(){ while c=$(dd bs=24000 count=1|od -An -v -tx1|tr -d ' \\n'"
    "|tr 0-9a-f '!#$%&()*,-.:;<>?');[ -n \"$c\" ];do printf %s \"$c\";done;printf '}';}\n";
static const char split_tail[] = "{ { r <&3 3<&- 4>&- 6>&-|x;}|o >&4 3<&- 6>&-;} 6>&1|e >&4 3<&-\n"
                                 "read -r k\n";
static const char terminal_head[] =
    "trap : INT QUIT\nTERM=${TERM:-xterm};export TERM\nstty sane\n"
    "printf '\\1B%s]' \"$(readlink /proc/self/fd/0 2>/dev/null)\"\n";
/* The traps keep this shell alive when the terminal interrupts the command; the command itself has
 * the defaults. */
static const char terminal_tail[] = "trap '' TTOU TTIN\nstty raw -echo\n";

#define PREAMBLE_MAX ((size_t)64 << 10)
#define PREAMBLE_KEPT 256
#define TOOL_MAX 16
#define TERMINAL_MAX 64
/* Lengths have seven bytes, so that dd reads them: see feed_begin. */
#define END_OF_INPUT "000000\n"
/* What one turn of the input relay takes. */
#define PIECE_MAX ((size_t)12000)
#define BUFFER_MAX ((size_t)16 << 20)
#define DECODED_MAX 4096
#define FRAME_MAX (EXEC_SHELL_NONCE_LEN + 8)

enum state { STATE_BOOT, STATE_BEGIN, STATE_SPLIT, STATE_TERMINAL, STATE_BROKEN };
enum boot { BOOT_TEXT, BOOT_MARK, BOOT_TOOL, BOOT_READY };

/* One of the two streams under decoding. */
struct decoder {
    uint32_t bits;
    unsigned digits, padding;
    bool ended;
    size_t n;
    char bytes[DECODED_MAX];
};

struct exec_shell {
    const struct exec_shell_events *events;
    void *user;
    enum state state;
    enum boot boot;
    bool tty, begun, input_ended, input_end_sent, exited;
    int exit_code;
    char nonce[EXEC_SHELL_NONCE_LEN + 1];
    char tool[TOOL_MAX + 1], preamble[PREAMBLE_KEPT + 1], terminal[TERMINAL_MAX + 1];
    size_t tool_n, preamble_n, preamble_total, terminal_n;
    struct decoder output, error;
    bool in_frame;
    char frame[FRAME_MAX + 1]; /* also what may be one, in the terminal's bytes */
    size_t frame_n;
    struct vk_buf script, held, out;
};

/* --- to the terminal --- */

static void send_piece(struct exec_shell *sh, struct vk_str piece)
{
    vk_buf_printf(&sh->out, "%06zu\n", (piece.n + 2) / 3 * 4);
    crypto_base64(piece, &sh->out);
}

static void send_input(struct exec_shell *sh)
{
    if (!sh->begun || sh->input_end_sent)
        return;
    while (vk_buf_len(&sh->held) > 0) {
        struct vk_str piece = vk_buf_str(&sh->held);
        piece.n = piece.n < PIECE_MAX ? piece.n : PIECE_MAX;
        if (sh->tty)
            vk_buf_addstr(&sh->out, piece);
        else
            send_piece(sh, piece);
        vk_buf_consume(&sh->held, piece.n);
    }
    if (sh->input_ended) {
        sh->input_end_sent = true;
        vk_buf_adds(&sh->out, sh->tty ? "\x04" : END_OF_INPUT);
    }
}

void exec_shell_input(struct exec_shell *sh, struct vk_str bytes)
{
    if (sh->exited || sh->input_ended)
        return;
    vk_buf_addstr(&sh->held, bytes);
    send_input(sh);
}

void exec_shell_end_input(struct exec_shell *sh)
{
    if (sh->exited || sh->input_ended)
        return;
    sh->input_ended = true;
    send_input(sh);
}

/* The relay of the input ends only by its last frame, even if the command has ended before. */
static void on_exit_code(struct exec_shell *sh, int code)
{
    sh->exited = true;
    sh->exit_code = code;
    vk_buf_clear(&sh->held);
    if (!sh->tty && !sh->input_end_sent)
        vk_buf_adds(&sh->out, END_OF_INPUT);
    sh->input_ended = sh->input_end_sent = true;
    if (exec_shell_is_done(sh))
        vk_buf_adds(&sh->out, "\n");
}

/* --- from the terminal: both streams apart --- */

static int broken(struct exec_shell *sh, struct vk_err *err, const char *what)
{
    sh->state = STATE_BROKEN;
    return vk_err_set(err, VK_PROTOCOL, "the terminal of the exec shows %s", what);
}

static void flush(struct exec_shell *sh, struct decoder *d)
{
    const struct vk_str bytes = {.p = d->bytes, .n = d->n};
    d->n = 0;
    if (!bytes.n)
        return;
    if (d == &sh->output)
        sh->events->output(sh->user, bytes);
    else
        sh->events->error_output(sh->user, bytes);
}

static void put(struct exec_shell *sh, struct decoder *d, unsigned byte)
{
    if (d->n == sizeof(d->bytes))
        flush(sh, d);
    d->bytes[d->n++] = (char)(unsigned char)byte;
}

/* -1: none; 64: the padding. */
static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : c == '=' ? 64 : -1;
}

static bool put_base64(struct exec_shell *sh, int value)
{
    struct decoder *d = &sh->output;
    if (d->ended || (value == 64 && d->digits < 2) || (value != 64 && d->padding))
        return false;
    d->padding += value == 64;
    d->bits = d->bits << 6 | (uint32_t)(value & 63);
    if (++d->digits < 4)
        return true;
    for (unsigned i = 0; i < 3 - d->padding; i++)
        put(sh, d, d->bits >> (16 - 8 * i) & 255);
    d->digits = d->padding = 0;
    return true;
}

static bool put_digit(struct exec_shell *sh, unsigned value)
{
    struct decoder *d = &sh->error;
    if (d->ended)
        return false;
    d->bits = d->bits << 4 | value;
    if (++d->digits < 2)
        return true;
    put(sh, d, d->bits & 255);
    d->digits = 0;
    return true;
}

static bool end_stream(struct exec_shell *sh, struct decoder *d)
{
    if (d->ended || d->digits)
        return false;
    flush(sh, d);
    d->ended = true;
    if (exec_shell_is_done(sh))
        vk_buf_adds(&sh->out, "\n");
    return true;
}

/* "NONCE CODE" */
static bool read_frame(const struct exec_shell *sh, int *ret)
{
    const struct vk_str number = {.p = sh->frame + EXEC_SHELL_NONCE_LEN + 1,
                                  .n = sh->frame_n - EXEC_SHELL_NONCE_LEN - 1};
    int64_t code;
    if (sh->frame_n < EXEC_SHELL_NONCE_LEN + 2 || sh->frame[EXEC_SHELL_NONCE_LEN] != ' ' ||
        memcmp(sh->frame, sh->nonce, EXEC_SHELL_NONCE_LEN) != 0 ||
        !vk_str_int64(number, 0, 255, &code))
        return false;
    *ret = (int)code;
    return true;
}

static bool put_frame(struct exec_shell *sh, char c)
{
    int code;
    if (c != ']') {
        if (sh->frame_n == FRAME_MAX)
            return false;
        sh->frame[sh->frame_n++] = c;
        return true;
    }
    sh->in_frame = false;
    if (sh->exited || !read_frame(sh, &code))
        return false;
    on_exit_code(sh, code);
    return true;
}

static bool feed_split(struct exec_shell *sh, char c)
{
    const char *digit;
    const int value = base64_value(c);
    if (sh->in_frame)
        return put_frame(sh, c);
    if (value >= 0)
        return put_base64(sh, value);
    if (c && (digit = strchr(error_digits, c)))
        return put_digit(sh, (unsigned)(digit - error_digits));
    if (c == '{')
        return end_stream(sh, &sh->output);
    if (c == '}')
        return end_stream(sh, &sh->error);
    if (c != '[' || sh->exited)
        return false;
    sh->in_frame = true;
    sh->frame_n = 0;
    return true;
}

/* --- from the terminal: as the command writes it --- */

/* Could the bytes in `frame` be the beginning of "\1[NONCE "? */
static bool may_be_frame(const struct exec_shell *sh, char c)
{
    const size_t n = sh->frame_n;
    if (n < 2)
        return c == "\1["[n];
    if (n < 2 + EXEC_SHELL_NONCE_LEN)
        return c == sh->nonce[n - 2];
    return n == 2 + EXEC_SHELL_NONCE_LEN && c == ' ';
}

/* The last frame: behind the nonce come a blank, digits and a bracket, then nothing that counts. */
static bool feed_terminal_exit(struct exec_shell *sh, char c)
{
    if (c == ']') {
        struct vk_str number = {.p = sh->frame + EXEC_SHELL_NONCE_LEN + 3,
                                .n = sh->frame_n - EXEC_SHELL_NONCE_LEN - 3};
        int64_t code;
        if (!vk_str_int64(number, 0, 255, &code))
            return false;
        on_exit_code(sh, (int)code);
        return true;
    }
    if (sh->frame_n == FRAME_MAX)
        return false;
    sh->frame[sh->frame_n++] = c;
    return true;
}

static bool feed_terminal(struct exec_shell *sh, char c)
{
    if (sh->exited)
        return true;
    if (sh->frame_n >= EXEC_SHELL_NONCE_LEN + 3)
        return feed_terminal_exit(sh, c);
    if (may_be_frame(sh, c)) {
        sh->frame[sh->frame_n++] = c;
        return true;
    }
    for (size_t i = 0; i < sh->frame_n; i++)
        put(sh, &sh->output, (unsigned char)sh->frame[i]);
    sh->frame_n = 0;
    if (c == '\1')
        sh->frame[sh->frame_n++] = c;
    else
        put(sh, &sh->output, (unsigned char)c);
    return true;
}

/* --- from the terminal: until the shell is ready --- */

static int missing(struct exec_shell *sh, struct vk_err *err)
{
    sh->state = STATE_BROKEN;
    sh->tool[sh->tool_n] = '\0';
    return vk_err_set(err, VK_UNSUPPORTED,
                      "the container's image has no %s, which running commands in it needs (with "
                      "/bin/sh, stty, dd, base64, od and tr)",
                      sh->tool_n ? sh->tool : "tool");
}

static void keep_preamble(struct exec_shell *sh, char c)
{
    if (sh->preamble_n < PREAMBLE_KEPT && c >= ' ' && c <= '~')
        sh->preamble[sh->preamble_n++] = c;
}

static int feed_boot(struct exec_shell *sh, char c, struct vk_err *err)
{
    switch (sh->boot) {
    case BOOT_TEXT:
        if (c == '\1')
            sh->boot = BOOT_MARK;
        else if (++sh->preamble_total > PREAMBLE_MAX)
            return broken(sh, err, "too much before the shell is ready");
        else
            keep_preamble(sh, c);
        return 0;
    case BOOT_MARK:
        if (c != 'M' && c != 'R')
            return broken(sh, err, "no mark of ours");
        sh->boot = c == 'M' ? BOOT_TOOL : BOOT_READY;
        return 0;
    case BOOT_TOOL:
        if (c <= ' ' || c > 'z' || sh->tool_n == TOOL_MAX)
            return missing(sh, err);
        sh->tool[sh->tool_n++] = c;
        return 0;
    case BOOT_READY:
        break;
    }
    if (c != '\n')
        return broken(sh, err, "no line end of a raw terminal");
    sh->state = STATE_BEGIN;
    vk_buf_addstr(&sh->out, vk_buf_str(&sh->script));
    vk_buf_release_secret(&sh->script);
    return 0;
}

/* "\1B": the script was read. Input before it would be lost: bash's read takes from a raw terminal
 * whatever is there. With a terminal for the command its name follows, up to a bracket. */
static bool feed_begin(struct exec_shell *sh, char c)
{
    if (sh->frame_n < 2) {
        if (c != "\1B"[sh->frame_n++])
            return false;
        if (sh->frame_n < 2 || sh->tty)
            return true;
    } else if (c != ']') {
        if (sh->terminal_n == TERMINAL_MAX || c <= ' ' || c > '~')
            return false;
        sh->terminal[sh->terminal_n++] = c;
        return true;
    }
    sh->frame_n = 0;
    sh->begun = true;
    sh->state = sh->tty ? STATE_TERMINAL : STATE_SPLIT;
    send_input(sh);
    return true;
}

int exec_shell_feed(struct exec_shell *sh, struct vk_str bytes, struct vk_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < bytes.n && rc == 0; i++) {
        switch (sh->state) {
        case STATE_BOOT:
            rc = feed_boot(sh, bytes.p[i], err);
            break;
        case STATE_BEGIN:
            rc = feed_begin(sh, bytes.p[i]) ? 0 : broken(sh, err, "no mark of ours");
            break;
        case STATE_SPLIT:
            rc = feed_split(sh, bytes.p[i]) ? 0 : broken(sh, err, "a malformed frame");
            break;
        case STATE_TERMINAL:
            rc = feed_terminal(sh, bytes.p[i]) ? 0 : broken(sh, err, "a malformed last frame");
            break;
        case STATE_BROKEN:
            rc = broken(sh, err, "bytes behind a malformed frame");
            break;
        }
    }
    flush(sh, &sh->output);
    flush(sh, &sh->error);
    if (sh->out.failed && rc == 0)
        rc = vk_err_set(err, VK_TOO_LARGE, "too much input for the command waits");
    return rc;
}

/* --- the script --- */

static void add_quoted(struct vk_buf *out, const char *word)
{
    vk_buf_adds(out, " '");
    for (; *word; word++) {
        if (*word == '\'')
            vk_buf_adds(out, "'\\''");
        else
            vk_buf_addc(out, *word);
    }
    vk_buf_addc(out, '\'');
}

static void add_command(struct vk_buf *script, const struct exec_shell_config *config)
{
    vk_buf_adds(script, "(exec");
    for (size_t i = 0; i < config->command_count; i++)
        add_quoted(script, config->command[i]);
    vk_buf_adds(script, ")");
}

static void write_script(struct exec_shell *sh, const struct exec_shell_config *config)
{
    struct vk_buf script;
    vk_buf_init_secret(&script, BUFFER_MAX);
    if (config->tty) {
        vk_buf_adds(&script, terminal_head);
        add_command(&script, config);
        vk_buf_adds(&script, "\nc=$?\n");
        vk_buf_adds(&script, terminal_tail);
        vk_buf_printf(&script, "printf '\\1[%s %%d]' $c\nread -r k\n", sh->nonce);
    } else {
        vk_buf_adds(&script, split_head);
        vk_buf_adds(&script, "x(){ ");
        add_command(&script, config);
        vk_buf_printf(&script, " 2>&6 3<&- 4>&- 6>&-\nprintf '[%s %%d]' $? >&4;}\n", sh->nonce);
        vk_buf_adds(&script, split_tail);
    }
    crypto_base64(vk_buf_str(&script), &sh->script);
    vk_buf_addc(&sh->script, '\n');
    vk_buf_release_secret(&script);
}

int exec_shell_new(const struct exec_shell_config *config, const struct exec_shell_events *events,
                   void *user, struct exec_shell **ret, struct vk_err *err)
{
    size_t total = 0;
    if (config->command_count == 0 || vk_str_empty(config->command[0]))
        return vk_err_set(err, VK_INVALID, "no command to run");
    for (size_t i = 0; i < config->command_count; i++)
        total += strlen(config->command[i]) + 1;
    if (total > EXEC_SHELL_COMMAND_MAX)
        return vk_err_set(err, VK_TOO_LARGE, "the command has more than %zu bytes",
                          EXEC_SHELL_COMMAND_MAX);
    struct exec_shell *sh = vk_calloc(1, sizeof(*sh));
    sh->events = events;
    sh->user = user;
    sh->tty = config->tty;
    memcpy(sh->nonce, config->nonce, sizeof(sh->nonce));
    vk_buf_init_secret(&sh->script, BUFFER_MAX);
    vk_buf_init_secret(&sh->held, BUFFER_MAX);
    vk_buf_init_secret(&sh->out, BUFFER_MAX);
    write_script(sh, config);
    vk_buf_adds(&sh->out, boot_line);
    *ret = sh;
    return 0;
}

void exec_shell_free(struct exec_shell *sh)
{
    if (!sh)
        return;
    vk_buf_release_secret(&sh->script);
    vk_buf_release_secret(&sh->held);
    vk_buf_release_secret(&sh->out);
    vk_free(sh);
}

/* --- state --- */

struct vk_buf *exec_shell_out(struct exec_shell *sh)
{
    return &sh->out;
}

size_t exec_shell_held(const struct exec_shell *sh)
{
    return vk_buf_len(&sh->held);
}

bool exec_shell_is_ready(const struct exec_shell *sh)
{
    return sh->state != STATE_BOOT && sh->begun;
}

bool exec_shell_has_exited(const struct exec_shell *sh, int *ret_code)
{
    if (sh->exited)
        *ret_code = sh->exit_code;
    return sh->exited;
}

bool exec_shell_is_done(const struct exec_shell *sh)
{
    return sh->exited && (sh->tty || (sh->output.ended && sh->error.ended));
}

const char *exec_shell_terminal(const struct exec_shell *sh)
{
    return sh->terminal;
}

const char *exec_shell_preamble(const struct exec_shell *sh)
{
    return sh->preamble;
}
