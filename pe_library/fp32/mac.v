// Multiply-accumulate in IEEE 754 single precision: multiply, round, register; add, round.
// Both operations round to nearest even. Subnormal operands count as zeros of their sign; a result whose
// magnitude, rounded to 24 bits with unbounded exponent, is below 2^-126 becomes a zero of its sign.
// Every NaN result is 0x7fc00000.
//
// The adder takes one cycle, because the accumulation loop reads, adds and writes a psum in one cycle; the
// price is the clock period, and it shows. Two paths keep that price down. Only the difference of operands
// whose exponents differ by at most one can lose more than one leading bit, and then it is exact (near path);
// all others need a long alignment shift, but at most one bit of normalization (far path).
module mac #(
    parameter AW = 32,
    parameter WW = 32,
    parameter PW = 32
) (
    input           clk,
    input           en,
    input  [AW-1:0] act,
    input  [WW-1:0] wgt,
    input  [PW-1:0] psum_in,
    output [PW-1:0] psum_out
);
    wire [31:0] rounded_product;
    reg  [31:0] product;

    fp32_multiply u_multiply (.a(act), .b(wgt), .result(rounded_product));
    always @(posedge clk)
        if (en) product <= rounded_product;
    fp32_add u_add (.a(psum_in), .b(product), .result(psum_out));
endmodule

module fp32_multiply (
    input  [31:0] a,
    input  [31:0] b,
    output [31:0] result
);
    wire sign   = a[31] ^ b[31];
    wire a_zero = a[30:23] == 8'd0;
    wire b_zero = b[30:23] == 8'd0;
    wire a_top  = a[30:23] == 8'd255;
    wire b_top  = b[30:23] == 8'd255;
    wire a_nan  = a_top & (a[22:0] != 23'd0);
    wire b_nan  = b_top & (b[22:0] != 23'd0);

    wire [47:0] exact = {1'b1, a[22:0]} * {1'b1, b[22:0]};
    wire        carry = exact[47];                       // the product is in [2, 4)
    wire [23:0] kept  = carry ? exact[47:24] : exact[46:23];
    wire        guard = carry ? exact[23] : exact[22];
    wire        rest  = (exact[21:0] != 22'd0) | (carry & exact[22]);
    wire        up    = guard & (rest | kept[0]);

    // Biased exponent in two's complement; a carry of the rounding runs on into it.
    wire [9:0]  exponent = {2'b00, a[30:23]} + {2'b00, b[30:23]} + 10'd897 + {9'd0, carry};   // -127 + carry
    wire [32:0] rounded  = {exponent, kept[22:0]} + {32'd0, up};
    wire        tiny     = rounded[32];                  // exponent 0 may pass: the adder reads it as a zero
    wire        huge     = ~rounded[32] & (rounded[31] | (rounded[30:23] == 8'd255));

    wire nan  = a_nan | b_nan | (a_top & b_zero) | (b_top & a_zero);
    wire zero = ~(a_top | b_top) & (a_zero | b_zero | tiny);

    assign result = nan                    ? 32'h7fc00000
                  : zero                   ? {sign, 31'd0}
                  : (a_top | b_top | huge) ? {sign, 8'd255, 23'd0}
                  :                          {sign, rounded[30:0]};
endmodule

module fp32_add (
    input  [31:0] a,
    input  [31:0] b,
    output [31:0] result
);
    wire [7:0]  ea = a[30:23];
    wire [7:0]  eb = b[30:23];
    wire        a_top = ea == 8'd255;
    wire        b_top = eb == 8'd255;
    wire        subtract = a[31] ^ b[31];

    // Significands with their hidden bit; subnormals become 0.
    wire        a_normal = ea != 8'd0;
    wire        b_normal = eb != 8'd0;
    wire [23:0] ma = {a_normal, a[22:0] & {23{a_normal}}};
    wire [23:0] mb = {b_normal, b[22:0] & {23{b_normal}}};

    wire [8:0]  a_minus_b = {1'b0, ea} - {1'b0, eb};
    wire [8:0]  b_minus_a = {1'b0, eb} - {1'b0, ea};
    wire        swap      = a_minus_b[8];                // b has the larger exponent
    wire [7:0]  distance  = swap ? b_minus_a[7:0] : a_minus_b[7:0];
    wire [7:0]  e_large   = swap ? eb : ea;
    wire        s_large   = swap ? b[31] : a[31];

    // ---- far path: align with guard, round and sticky bit; add or subtract; normalize by one; round
    wire [23:0] m_large = swap ? mb : ma;
    wire [23:0] m_small = swap ? ma : mb;
    // From a distance of 26 on, the small operand is too small to change the rounding: bits may fall off.
    wire        lost    = distance[7:5] != 3'd0;
    wire [48:0] spread  = {m_small & {24{~lost}}, 25'd0} >> distance[4:0];
    wire [26:0] aligned = {spread[48:23], spread[22:0] != 23'd0};
    wire [27:0] sum     = {1'b0, m_large, 3'd0} + {subtract, aligned ^ {27{subtract}}} + {27'd0, subtract};

    wire        over    = sum[27];
    wire        level   = sum[26];
    wire [22:0] kept    = over ? sum[26:4] : level ? sum[25:3] : sum[24:2];
    wire        guard   = over ? sum[3] : level ? sum[2] : sum[1];
    wire        rest    = over ? sum[2:0] != 3'd0 : level ? sum[1:0] != 2'd0 : sum[0];
    wire        up      = guard & (rest | kept[0]);
    wire [7:0]  e_far   = over ? e_large + 8'd1 : level ? e_large : e_large - 8'd1;
    wire [30:0] rounded = {e_far, kept} + {30'd0, up};
    wire        far_inf = rounded[30:23] == 8'd255;

    // ---- near path: exponents equal or neighbours (two low bits tell which), difference, long normalization
    wire [1:0]  step    = ea[1:0] - eb[1:0];
    wire        b_above = step == 2'd3;
    wire        apart   = step[0];
    wire [24:0] upper   = {b_above ? mb : ma, 1'b0};
    wire [23:0] other   = b_above ? ma : mb;
    wire [24:0] lower   = apart ? {1'b0, other} : {other, 1'b0};
    wire [25:0] forth   = {1'b0, upper} - {1'b0, lower};
    wire [24:0] back    = lower - upper;
    wire        negate  = forth[25];
    wire [24:0] gap     = negate ? back : forth[24:0];
    wire        close   = (distance[7:1] == 7'd0) & subtract & ~gap[24];

    // Left shift until the leading one is at bit 24, in binary steps; which steps were taken is the distance.
    wire        z16     = gap[24:9] == 16'd0;
    wire [24:0] by16    = z16 ? {gap[8:0], 16'd0} : gap;
    wire        z8      = by16[24:17] == 8'd0;
    wire [24:0] by8     = z8 ? {by16[16:0], 8'd0} : by16;
    wire        z4      = by8[24:21] == 4'd0;
    wire [24:0] by4     = z4 ? {by8[20:0], 4'd0} : by8;
    wire        z2      = by4[24:23] == 2'd0;
    wire [24:0] by2     = z2 ? {by4[22:0], 2'd0} : by4;
    wire        z1      = ~by2[24];
    wire [24:0] by1     = z1 ? {by2[23:0], 1'b0} : by2;
    wire        s_near  = (b_above ? b[31] : a[31]) ^ negate;
    wire [8:0]  e_near  = {1'b0, e_large} - {4'd0, z16, z8, z4, z2, z1};
    wire        equal   = gap == 25'd0;
    wire        tiny    = e_near[8] | (e_near[7:0] == 8'd0);
    wire [31:0] near    = equal ? 32'd0 : tiny ? {s_near, 31'd0} : {s_near, e_near[7:0], by1[23:1]};

    // The far path cannot underflow, but it has no code for the sum of two zeros of one sign.
    wire        a_nan   = a_top & (a[22:0] != 23'd0);
    wire        b_nan   = b_top & (b[22:0] != 23'd0);
    wire        nan     = a_nan | b_nan | (a_top & b_top & subtract);
    assign result = nan                       ? 32'h7fc00000
                  : a_top                     ? {a[31], 8'd255, 23'd0}
                  : b_top                     ? {b[31], 8'd255, 23'd0}
                  : close                     ? near
                  : (~a_normal & ~b_normal)   ? {a[31], 31'd0}
                  : far_inf                   ? {s_large, 8'd255, 23'd0}
                  :                             {s_large, rounded};
endmodule
