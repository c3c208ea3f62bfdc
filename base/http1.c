/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http1.h"

#include <string.h>

#include "base/alloc.h"

/* One chunk-size line with its extensions, and all trailers together. */
#define MAX_CHUNK_LINE 256
#define MAX_TRAILERS (8 * 1024)
/* Extensions of all chunks of a body: a peer must not send more of them than of body. */
#define MAX_CHUNK_EXTENSIONS (16 * 1024)
#define MAX_CHUNK_DIGITS 15

enum state {
    STATE_HEAD,
    STATE_FIXED,      /* `left` bytes of body */
    STATE_CHUNK_SIZE, /* inside the digits */
    STATE_CHUNK_EXTENSION,
    STATE_CHUNK_LF, /* the CR of a chunk-size line was seen */
    STATE_CHUNK_DATA,
    STATE_CHUNK_DATA_CR,
    STATE_CHUNK_DATA_LF,
    STATE_TRAILER_START, /* first byte of a trailer line */
    STATE_TRAILER,
    STATE_TRAILER_LF,
    STATE_LAST_LF, /* the CR of the empty line that ends the trailers was seen */
    STATE_END,     /* the body is complete, HTTP1_MESSAGE_END is due */
    STATE_ENDED,   /* HTTP1_MESSAGE_END was given; the next feed begins a message */
    STATE_ERROR,
};

struct http1_parser {
    enum state state;
    int status; /* for STATE_ERROR */
    struct vk_buf text;
    bool after_cr;     /* the last byte of the head so far is CR */
    size_t line_start; /* where the current line of the head begins */
    bool has_request_line;
    struct http1_head head;
    int64_t left; /* of the body or of the chunk */
    unsigned digits, line, extensions, trailers;
};

/* ---- characters (RFC 9110 5.6.2, RFC 9112 3.2) ---- */

static bool is_token_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_token_char((unsigned char)s[i]))
            return false;
    return n > 0;
}

static bool is_target(const char *s)
{
    for (; *s; s++)
        if (*s <= ' ' || *s > '~' || *s == '#')
            return false;
    return true;
}

static bool is_field_char(unsigned char c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* ---- headers ---- */

const char *http1_header_nth(const struct http1_head *head, const char *name, size_t index)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (vk_strieq(head->headers[i].name, name) && index-- == 0)
            return head->headers[i].value;
    return NULL;
}

const char *http1_header(const struct http1_head *head, const char *name)
{
    return http1_header_nth(head, name, 0);
}

bool http1_header_has(const struct http1_head *head, const char *name, const char *token)
{
    const char *value;

    for (size_t i = 0; (value = http1_header_nth(head, name, i)); i++) {
        struct vk_str rest = vk_str_of(value);

        while (rest.p) {
            struct vk_str item = vk_str_trim(vk_str_cut(rest, ',', &rest));

            if (vk_str_ieq(item, vk_str_of(token)))
                return true;
        }
    }
    return false;
}

/* ---- the head; each function returns 0 or the status to answer ---- */

static int parse_version(struct http1_head *head, const char *version)
{
    if (strncmp(version, "HTTP/", 5) != 0 || version[5] < '0' || version[5] > '9' ||
        version[6] != '.' || version[7] < '0' || version[7] > '9' || version[8])
        return 400;
    if (version[5] != '1')
        return 505;
    head->minor = version[7] - '0';
    return 0;
}

/* Origin form, or absolute form (RFC 9112 3.2.2) cut down to its path. */
static int parse_target(struct http1_head *head, char *target)
{
    char *question;

    if (!is_target(target))
        return 400;
    question = strchr(target, '?');
    if (question)
        *question = '\0';
    head->query = question ? question + 1 : "";
    if (*target != '/') {
        if (strncasecmp(target, "http://", 7) == 0)
            target += 7;
        else if (strncasecmp(target, "https://", 8) == 0)
            target += 8;
        else
            return 400;
        if (!*target || *target == '/')
            return 400;
        target += strcspn(target, "/");
    }
    head->path = *target ? target : "/";
    return 0;
}

static int parse_request_line(struct http1_head *head, char *line)
{
    char *target = strchr(line, ' '), *version;
    int status;

    if (!target || !is_token(line, (size_t)(target - line)))
        return 400;
    *target++ = '\0';
    version = strchr(target, ' ');
    if (!version || version == target)
        return 400;
    *version++ = '\0';
    head->method = line;
    status = parse_version(head, version);
    return status ? status : parse_target(head, target);
}

static int parse_header_line(struct http1_head *head, char *line)
{
    char *colon = strchr(line, ':'), *value, *end;

    /* A leading blank would be obsolete folding, one before the colon a smuggling trick. */
    if (!colon || !is_token(line, (size_t)(colon - line)))
        return 400;
    if (head->header_count == HTTP1_MAX_HEADERS)
        return 431;
    *colon = '\0';
    for (value = colon + 1; *value == ' ' || *value == '\t'; value++)
        ;
    for (end = value + strlen(value); end > value && (end[-1] == ' ' || end[-1] == '\t'); end--)
        ;
    *end = '\0';
    for (const char *c = value; *c; c++)
        if (!is_field_char((unsigned char)*c))
            return 400;
    head->headers[head->header_count++] = (struct http1_header){.name = line, .value = value};
    return 0;
}

static int parse_framing(struct http1_head *head)
{
    const char *length = http1_header(head, "content-length");
    const char *coding = http1_header(head, "transfer-encoding");

    head->content_length = -1;
    if (http1_header_nth(head, "content-length", 1) || (length && coding))
        return 400;
    if (length) {
        if (!*length || strspn(length, "0123456789") != strlen(length))
            return 400;
        if (!vk_str_int64(vk_str_of(length), 0, INT64_MAX, &head->content_length))
            return 413;
    }
    if (coding) {
        if (head->minor == 0 || http1_header_nth(head, "transfer-encoding", 1))
            return 400;
        if (!vk_strieq(coding, "chunked"))
            return 501;
        head->chunked = true;
    }
    return 0;
}

static int parse_semantics(struct http1_head *head)
{
    int status = parse_framing(head);

    if (status)
        return status;
    if (http1_header_nth(head, "host", 1) || (head->minor > 0 && !http1_header(head, "host")))
        return 400;
    head->keep_alive = head->minor > 0 ? !http1_header_has(head, "connection", "close")
                                       : http1_header_has(head, "connection", "keep-alive");
    head->expect_continue =
        head->minor > 0 && vk_strieq(http1_header(head, "expect"), "100-continue");
    return 0;
}

/* The collected text ends in an empty line and has no CR or LF but in CRLF pairs. */
static int parse_head(struct http1_parser *p)
{
    char *line = vk_buf_peek(&p->text);
    bool is_first = true;

    memset(&p->head, 0, sizeof(p->head));
    while (strncmp(line, "\r\n", 2) == 0)
        line += 2;
    while (*line != '\r') {
        char *end = strchr(line, '\r');
        int status;

        *end = '\0';
        status = is_first ? parse_request_line(&p->head, line) : parse_header_line(&p->head, line);
        if (status)
            return status;
        is_first = false;
        line = end + 2;
    }
    return parse_semantics(&p->head);
}

static enum http1_event fail(struct http1_parser *p, int status)
{
    p->state = STATE_ERROR;
    p->status = status;
    return HTTP1_ERROR;
}

static enum http1_event finish_head(struct http1_parser *p)
{
    int status = parse_head(p);

    if (status)
        return fail(p, status);
    p->left = p->head.content_length;
    if (p->head.chunked) {
        p->state = STATE_CHUNK_SIZE;
        p->left = 0;
    } else if (p->left > 0) {
        p->state = STATE_FIXED;
    } else {
        p->state = STATE_END;
    }
    p->digits = p->line = p->extensions = p->trailers = 0;
    return HTTP1_HEAD;
}

static enum http1_event feed_head(struct http1_parser *p, struct vk_str *in)
{
    size_t i = 0;

    for (; i < in->n; i++) {
        char c = in->p[i];
        size_t at = vk_buf_len(&p->text) + i + 1; /* length of the head with this byte */
        bool is_line_end = c == '\n';

        /* NUL, bare CR and bare LF are refused as soon as they are seen. */
        if (!c || p->after_cr != is_line_end)
            return fail(p, 400);
        p->after_cr = c == '\r';
        if (at > HTTP1_MAX_HEAD)
            return fail(p, p->has_request_line ? 431 : 414);
        if (!is_line_end)
            continue;
        if (at - p->line_start > 2) {
            p->has_request_line = true;
            p->line_start = at;
        } else if (p->has_request_line) {
            vk_buf_add(&p->text, in->p, i + 1);
            in->p += i + 1;
            in->n -= i + 1;
            return finish_head(p);
        } else if (at > 2 * 4) {
            return fail(p, 400);
        } else {
            p->line_start = at; /* an empty line before the request (RFC 9112 2.2) */
        }
    }
    vk_buf_add(&p->text, in->p, i);
    in->p += i;
    in->n -= i;
    return HTTP1_NEED_MORE;
}

/* ---- the body ---- */

static enum http1_event take_body(struct http1_parser *p, struct vk_str *in, enum state next,
                                  struct vk_str *ret_body)
{
    size_t n = (uint64_t)p->left < in->n ? (size_t)p->left : in->n;

    *ret_body = (struct vk_str){.p = in->p, .n = n};
    in->p += n;
    in->n -= n;
    p->left -= (int64_t)n;
    if (p->left == 0)
        p->state = next;
    return HTTP1_BODY;
}

static int step_chunk_size(struct http1_parser *p, char c)
{
    int digit = hex_value(c);

    if (digit >= 0) {
        if (++p->digits > MAX_CHUNK_DIGITS)
            return 413;
        p->left = p->left * 16 + digit;
        return 0;
    }
    if (p->digits == 0 || (c != ';' && c != '\r'))
        return 400;
    p->line = p->digits;
    p->state = c == ';' ? STATE_CHUNK_EXTENSION : STATE_CHUNK_LF;
    return 0;
}

static int step_chunk_extension(struct http1_parser *p, char c)
{
    if (++p->line > MAX_CHUNK_LINE || ++p->extensions > MAX_CHUNK_EXTENSIONS)
        return 400;
    if (c == '\r')
        p->state = STATE_CHUNK_LF;
    else if (!is_field_char((unsigned char)c))
        return 400;
    return 0;
}

static int step_trailer(struct http1_parser *p, char c)
{
    if (++p->trailers > MAX_TRAILERS)
        return 431;
    if (p->state == STATE_TRAILER_START) {
        if (c == '\r') {
            p->state = STATE_LAST_LF;
            return 0;
        }
        if (!is_token_char((unsigned char)c))
            return 400;
        p->state = STATE_TRAILER;
    } else if (c == '\r') {
        p->state = STATE_TRAILER_LF;
    } else if (!is_field_char((unsigned char)c)) {
        return 400;
    }
    return 0;
}

static int expect(struct http1_parser *p, char c, char wanted, enum state next)
{
    p->state = next;
    return c == wanted ? 0 : 400;
}

static int step(struct http1_parser *p, char c)
{
    switch (p->state) {
    case STATE_CHUNK_SIZE:
        return step_chunk_size(p, c);
    case STATE_CHUNK_EXTENSION:
        return step_chunk_extension(p, c);
    case STATE_CHUNK_LF:
        return expect(p, c, '\n', p->left ? STATE_CHUNK_DATA : STATE_TRAILER_START);
    case STATE_CHUNK_DATA_CR:
        return expect(p, c, '\r', STATE_CHUNK_DATA_LF);
    case STATE_CHUNK_DATA_LF:
        p->digits = 0;
        return expect(p, c, '\n', STATE_CHUNK_SIZE);
    case STATE_TRAILER_START:
    case STATE_TRAILER:
        return step_trailer(p, c);
    case STATE_TRAILER_LF:
        return expect(p, c, '\n', STATE_TRAILER_START);
    case STATE_LAST_LF:
        return expect(p, c, '\n', STATE_END);
    case STATE_HEAD:
    case STATE_FIXED:
    case STATE_CHUNK_DATA:
    case STATE_END:
    case STATE_ENDED:
    case STATE_ERROR:
        break;
    }
    return 400;
}

static void begin_message(struct http1_parser *p)
{
    vk_buf_clear(&p->text);
    p->state = STATE_HEAD;
    p->after_cr = p->has_request_line = false;
    p->line_start = 0;
}

enum http1_event http1_parser_feed(struct http1_parser *p, struct vk_str *in,
                                   struct vk_str *ret_body)
{
    if (p->state == STATE_ENDED)
        begin_message(p);
    if (p->state == STATE_HEAD)
        return feed_head(p, in);
    for (;;) {
        int status;

        if (p->state == STATE_ERROR)
            return HTTP1_ERROR;
        if (p->state == STATE_END) {
            p->state = STATE_ENDED;
            return HTTP1_MESSAGE_END;
        }
        if (in->n == 0)
            return HTTP1_NEED_MORE;
        if (p->state == STATE_FIXED)
            return take_body(p, in, STATE_END, ret_body);
        if (p->state == STATE_CHUNK_DATA)
            return take_body(p, in, STATE_CHUNK_DATA_CR, ret_body);
        status = step(p, *in->p);
        if (status)
            return fail(p, status);
        in->p++;
        in->n--;
    }
}

struct http1_parser *http1_parser_new(void)
{
    struct http1_parser *p = vk_calloc(1, sizeof(*p));

    vk_buf_init(&p->text, HTTP1_MAX_HEAD);
    begin_message(p);
    return p;
}

void http1_parser_free(struct http1_parser *p)
{
    if (!p)
        return;
    /* Heads carry bearer tokens. */
    vk_buf_release_secret(&p->text);
    vk_free(p);
}

const struct http1_head *http1_parser_head(const struct http1_parser *p)
{
    return &p->head;
}

int http1_parser_status(const struct http1_parser *p)
{
    return p->status;
}

const char *http1_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < VK_COUNT(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return status < 400 ? "OK" : "Error";
}
